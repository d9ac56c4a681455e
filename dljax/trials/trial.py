"""A trial: the runs of one compiled program, in one directory.

config.json      resolved config, variant, runs, data fingerprint and strategy; their
                 hash is part of the directory's name
manifest.json    code, versions, machine, data set and cost
metrics.jsonl    one row per logged step and run; contains no times
timing.jsonl     one row per start of the trial that was not killed
checkpoints/     the newest states of all runs; with select="best_valid" the best, too
damaged/         checkpoints that failed their digest
samples.npz      a few test examples, with the outputs of each run
DONE             hash of metrics.jsonl, and the failed runs; written last
LOCK             the process that is training here
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from dljax.errors import DAMAGED_DATA, UserError
from dljax.trials import checkpoint, disk, metrics_log
from dljax.types import Task


@dataclasses.dataclass(frozen=True)
class Run:
    """One variant with one seed.

    numbers: {vmapped factor: level}, the levels that are traced.
    """

    variant: str
    seed: int
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One compiled program, one directory, one command.

    name: the name of the directory.
    variant: the label of the trial: the levels that its runs have in common.
    config: the config of the first run.
    fixed: JSON values that determine the results; `identity` hashes them.
    strategy: how the runs share the devices; see `training.strategies`.
    rule_sha256: hash of the study's decision rule.
    size_sha256: hash of the size at which the study gives a verdict.
    task_sha256: hash of the script that defines the task.
    required_metrics: test metrics that the task must return.
    best_by: (metric, higher is better) if each run's best validated state is tested;
      None if the last state is.
    test: whether test data are evaluated at the end.
    """

    name: str
    variant: str
    config: Any
    runs: tuple[Run, ...]
    fixed: Mapping[str, Any]
    strategy: str
    rule_sha256: str
    task_sha256: str = ""
    size_sha256: str = ""
    required_metrics: tuple[str, ...] = ()
    best_by: tuple[str, bool] | None = None
    test: bool = True

    @property
    def seeds(self) -> tuple[int, ...]:
        """The distinct seeds, in the order of the runs."""
        return tuple(dict.fromkeys(run.seed for run in self.runs))

    @property
    def title(self) -> str:
        """The variant, with the number of levels of the vmapped factors.

        For example, "se (3 levels of learning_rate)" for the label "se/learning_rate".
        """
        if not (names := list(self.runs[0].numbers)):
            return self.variant
        label = self.variant.removesuffix(" tuning")
        fixed = "/".join(part for part in label.split("/") if part not in names)
        count = len({tuple(run.numbers.values()) for run in self.runs})
        levels = f"{count} level{'s' if count > 1 else ''} of {', '.join(names)}"
        title = f"{fixed} ({levels})" if fixed else levels
        return f"{title} tuning" if label != self.variant else title

    @property
    def numbers(self) -> dict[str, list[float]]:
        """{vmapped factor: its levels, one per run}."""
        names = self.runs[0].numbers
        return {name: [run.numbers[name] for run in self.runs] for name in names}


@dataclasses.dataclass(frozen=True)
class Status:
    """The state of a trial's directory.

    kind: "new", "half done", "done", "failed" (done, with failed runs) or "changed"
      (done, but metrics.jsonl was edited or removed afterwards).
    step: the step of the newest checkpoint; 0 without one.
    failed: see `failures`.
    """

    kind: str
    step: int
    failed: list[dict[str, Any]]

    @property
    def finished(self) -> bool:
        """Whether all runs of the trial ended, with or without failures."""
        return self.kind in ("done", "failed")


def identity(fixed: Mapping[str, Any], slug: str) -> str:
    """Returns a trial's directory name, SLUG-HASH, from all that fixes its results."""
    text = json.dumps(fixed, sort_keys=True)
    return f"{slug}-{hashlib.blake2b(text.encode(), digest_size=5).hexdigest()}"


def status(directory: pathlib.Path) -> Status:
    """Reads the status of a trial's directory, which may not exist yet."""
    step = next(iter(checkpoint.steps(directory / "checkpoints")), 0)
    done = disk.read_json(directory / "DONE")
    if not isinstance(done, dict) or not {"metrics_sha256", "failed"} <= done.keys():
        kind = "half done" if (directory / "checkpoints").is_dir() else "new"
        return Status(kind, step, [])
    metrics = directory / "metrics.jsonl"
    if not metrics.is_file() or disk.sha256(metrics) != done["metrics_sha256"]:
        return Status("changed", step, done["failed"])
    return Status("failed" if done["failed"] else "done", step, done["failed"])


def refuse_changed(directory: pathlib.Path, now: Status) -> None:
    """Raises UserError if metrics.jsonl changed after the trial finished."""
    if now.kind == "changed" and not (directory / "metrics.jsonl").is_file():
        raise UserError(
            "damaged-metrics",
            f"{directory / 'metrics.jsonl'}: missing from a finished trial; delete the "
            "directory, and the command of the study trains the trial again",
            DAMAGED_DATA,
        )
    if now.kind == "changed":
        raise UserError(
            "damaged-metrics",
            f"{directory / 'metrics.jsonl'}: changed after the trial finished; show "
            f"the differences with dljax replay {directory}, or delete the directory, "
            "and the command of the study trains the trial again",
            DAMAGED_DATA,
        )


def failures(
    runs: Sequence[Run], rows: metrics_log.Rows, task: Task
) -> list[dict[str, Any]]:
    """Describes the runs that stopped because a metric was not finite.

    Args:
      runs: the failed runs.
      rows: the rows of metrics.jsonl.
      task: any task of the trial, for the order of its turns.

    Returns:
      [{"variant", "seed", "step", "metric"}]: the step at which each run stopped, and
      the first metric, in the order of the turns, that was not finite there.
    """
    failed = []
    for run in runs:
        key = {"variant": run.variant, "seed": run.seed}
        *_, last = (
            row
            for row in rows
            if row["split"] == "train" and row.items() >= key.items()
        )
        names = [name for name, value in last.items() if value is None]
        failed.append(key | {"step": last["step"], "metric": _first(names, task)})
    return failed


def _first(names: list[str], task: Task) -> str:
    players = list(dict.fromkeys(turn.name for turn in task.turns))

    def rank(name):
        player = next((i for i, p in enumerate(players) if name.startswith(f"{p}_")), 0)
        kind = name.removeprefix(f"{players[player]}_")
        return player, {"loss": 0, "grad_norm": 2}.get(kind, 1)

    return min(names, key=rank)
