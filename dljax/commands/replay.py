"""Trains a finished trial again and compares the metrics and the state.

TRIAL is a trial's directory; it is not changed. The trial is trained again in a
temporary directory; every row of metrics.jsonl and every array of the final state are
compared. The command prints "identical" (bit for bit), "within tolerance" (rtol 1e-3,
atol 1e-5) or "different", with the first difference. It warns where package versions,
cores or devices differ from the manifest's.
"""

import dataclasses
import pathlib
import sys
import tempfile

from dljax.commands.arguments import parse
from dljax.config import flag
from dljax.errors import DONE, FAILED_RUNS, PREEMPTED

USAGE = "TRIAL [--data_dir=DIR]"
EXIT_CODES = {
    DONE: "identical, or within tolerance",
    FAILED_RUNS: "different, or without a usable checkpoint",
    PREEMPTED: "stopped by a signal",
}
EXAMPLES = (
    "dljax replay runs/STUDY/TRIAL",
    "dljax replay runs/STUDY/TRIAL --data_dir=/data/tfds",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags of `dljax replay`."""

    data_dir: str = flag(
        "", "directory of prepared data sets (default: the trial's --data_dir)"
    )


def main(arguments: list[str]) -> int:
    """Runs `dljax replay`; returns the exit code.

    Raises:
      UserError: the trial is not finished, or has no checkpoint; see `loading.find`.
    """
    (run,), config = parse("replay", USAGE, arguments, Config)
    from dljax import backend
    from dljax.cli import stop_on_signals
    from dljax.errors import UserError
    from dljax.studies import loading
    from dljax.trials import checkpoint, compare, disk, manifest, metrics_log
    from dljax.trials.progress import TerminalProgress
    from dljax.trials.run_trial import execute
    from dljax.trials.trial import status

    stop = stop_on_signals()
    backend.prepare()
    stored = loading.find(run, data_dir=config.data_dir)
    directory, trial = stored.directory, stored.trial
    if status(directory).kind in ("new", "half done"):
        raise UserError(
            "trial-not-finished",
            f"{run}: the trial is not finished; run the study's command to resume it",
        )
    recorded = disk.read_json(directory / "manifest.json")
    if recorded is None:
        _warn("manifest.json is missing or damaged; versions are not compared")
    else:
        for line in manifest.differences(recorded, manifest.environment(trial.config)):
            _warn(f"{line}; bit-identical results are not guaranteed")
    if status(directory).kind == "changed":
        _warn("metrics.jsonl was changed after the trial was done")

    state = checkpoint.read(directory / "checkpoints", log=_warn)
    if state is None:
        raise UserError(
            "no-checkpoint",
            f"{run}: no usable checkpoint to compare with; run the study again in "
            "another --workdir",
            FAILED_RUNS,
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
            progress.log("stopped; the next replay starts at step 0 again")
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


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)
