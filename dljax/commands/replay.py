"""dljax replay RUN [--data_dir=DIR]: runs a finished trial again, compares.

RUN is a trial's directory, which stays as it is; the trial is trained again in a
scratch directory, and every row of its metrics and every array of its last state are
compared. Says "identical" (bit for bit), "within tolerance" (rtol 1e-3, atol 1e-5; and
how far) or "different" (the first row and array that differ), and warns where versions,
cores or device are not those of the manifest. --data_dir says where the data are now.
"""

import pathlib
import sys
import tempfile

from absl import flags


def main(arguments: list[str]) -> int:
    """Exit code 0 if it is identical or within tolerance, 1 if it is different."""
    run, data_dir = _parse(arguments)
    from dljax import backend
    from dljax.cli import stop_on_signals
    from dljax.errors import DONE, FAILED_RUNS, PREEMPTED, UserError
    from dljax.studies import loading
    from dljax.trials import checkpoint, compare, disk, manifest, metrics_log
    from dljax.trials.progress import TerminalProgress
    from dljax.trials.run_trial import execute
    from dljax.trials.trial import status

    stop = stop_on_signals()
    backend.prepare()
    stored = loading.find(run, data_dir=data_dir)
    directory, trial = stored.directory, stored.trial
    if status(directory).kind in ("new", "half done"):
        raise UserError(f"{run}: is not finished; the study's command resumes it")
    recorded = disk.read_json(directory / "manifest.json")
    if recorded is None:
        _warn("manifest.json is missing or damaged; what it says cannot be compared")
    else:
        for line in manifest.differences(recorded, manifest.environment(trial.config)):
            _warn(f"{line}; the bits may differ")
    if status(directory).kind == "changed":
        _warn("metrics.jsonl is not what it was when the trial was done")

    recorded_state = checkpoint.read(directory / "checkpoints", log=_warn)
    if recorded_state is None:
        raise UserError(f"{run}: no checkpoint in it to compare with", FAILED_RUNS)
    with tempfile.TemporaryDirectory(prefix="dljax-replay-") as scratch:
        again = pathlib.Path(scratch, trial.name)
        progress = TerminalProgress()
        outcome = execute(
            trial, stored.task, stored.source, again, stop=stop, progress=progress
        )
        if outcome.stopped:
            progress.log("stopped; a replay begins anew")
            return PREEMPTED
        state = checkpoint.read(again / "checkpoints", log=_warn)
        assert state is not None, "a finished trial has a checkpoint"
        arrays = compare.arrays(recorded_state.leaves, state.leaves)
        rows = compare.rows(directory / "metrics.jsonl", again / "metrics.jsonl")
        count = len(metrics_log.read_rows(again / "metrics.jsonl"))
    result = compare.worse(rows, arrays)
    print(
        f"{trial.variant}: {result.outcome}, {count} rows and "
        f"{len(state.leaves)} arrays"
    )
    for part in (rows, arrays):
        if part.first:
            print(f"  {part.first}")
    return FAILED_RUNS if result.outcome == compare.DIFFERENT else DONE


def _parse(arguments: list[str]) -> tuple[str, str]:
    from dljax.errors import UserError

    usage = "usage: dljax replay RUN [--data_dir=DIR]"
    parser = flags.FlagValues()
    flags.DEFINE_string("data_dir", "", "", flag_values=parser)
    try:
        rest = parser(["", *arguments])[1:]
    except flags.Error as error:
        raise UserError(f"{' '.join(str(error).split())}; {usage}") from None
    if len(rest) != 1:
        raise UserError(usage)
    return rest[0], str(parser["data_dir"].value)


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)
