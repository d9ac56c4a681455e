"""dljax replay RUN [--data_dir=DIR]: trains a finished trial again and compares.

RUN is a trial's directory; it is not changed. The trial is trained again in a scratch
directory, and every row of its metrics and every array of its last state are compared.
Prints "identical" (bit for bit), "within tolerance" (rtol 1e-3, atol 1e-5; and
how far) or "different" (the first row and array that differ), and warns where versions,
cores or device are not those of the manifest. --data_dir says where the data are now.
"""

import pathlib
import sys
import tempfile

from absl import flags


def main(arguments: list[str]) -> int:
    """Replays a trial; exit code 0 if identical or within tolerance, else 1."""
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
        raise UserError(
            "trial-not-finished",
            f"{run}: is not finished; the study's command resumes it",
        )
    recorded = disk.read_json(directory / "manifest.json")
    if recorded is None:
        _warn("manifest.json is missing or damaged; what it says cannot be compared")
    else:
        for line in manifest.differences(recorded, manifest.environment(trial.config)):
            _warn(f"{line}; the bits may differ")
    if status(directory).kind == "changed":
        _warn("metrics.jsonl is not what it was when the trial was done")

    state = checkpoint.read(directory / "checkpoints", log=_warn)
    if state is None:
        raise UserError(
            "no-checkpoint", f"{run}: no checkpoint in it to compare with", FAILED_RUNS
        )
    with tempfile.TemporaryDirectory(prefix="dljax-replay-") as scratch:
        replayed_directory = pathlib.Path(scratch, trial.name)
        progress = TerminalProgress()
        outcome = execute(
            trial,
            stored.task,
            stored.source,
            replayed_directory,
            stop=stop,
            progress=progress,
        )
        if outcome.stopped:
            progress.log("stopped; a replay starts from the first step")
            return PREEMPTED
        replayed = checkpoint.read(replayed_directory / "checkpoints", log=_warn)
        assert replayed is not None, "a finished trial has a checkpoint"
        arrays = compare.arrays(state.leaves, replayed.leaves)
        metrics = replayed_directory / "metrics.jsonl"
        rows = compare.rows(directory / "metrics.jsonl", metrics)
        count = len(metrics_log.read_rows(metrics))
    worse = compare.worse(rows, arrays)
    print(
        f"{trial.variant}: {worse.outcome}, {count} rows and "
        f"{len(replayed.leaves)} arrays"
    )
    for part in (rows, arrays):
        if part.first_difference:
            print(f"  {part.first_difference}")
    return FAILED_RUNS if worse.outcome == compare.DIFFERENT else DONE


def _parse(arguments: list[str]) -> tuple[str, str]:
    from dljax.errors import UserError

    usage = "usage: dljax replay RUN [--data_dir=DIR]"
    parser = flags.FlagValues()
    flags.DEFINE_string("data_dir", "", "", flag_values=parser)
    try:
        runs = parser(["", *arguments])[1:]
    except flags.Error as error:
        raise UserError("usage", f"{' '.join(str(error).split())}; {usage}") from None
    if len(runs) != 1:
        raise UserError("usage", usage)
    return runs[0], str(parser["data_dir"].value)


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)
