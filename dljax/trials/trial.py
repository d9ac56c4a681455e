"""A trial: one static variant with all its runs, in one directory.

config.json      the resolved config, variant, runs, data fingerprint, strategy; their
                 hash is the directory's name
manifest.json    what surrounded it, and its cost
metrics.jsonl    a row per logged step and seed; holds no time
timing.jsonl     a row per start of the trial that came to an end
checkpoints/     the newest states of all seeds, and the best ones where asked for
damaged/         checkpoints that were found damaged
samples.npz      a few test examples, and what each seed's network makes of them
DONE             the hash of metrics.jsonl and the failed runs, once all is written
LOCK             while a process works here: which
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
    """One variant with one seed. numbers: {vmapped factor: level}."""

    variant: str
    seed: int
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One compiled program, one directory, one command.

    name: of the directory. variant: the levels that the runs have in common.
    config: of the first run.
    fixed: JSON values that determine the numbers; `identity` hashes them.
    strategy: how the runs share the devices, see `training.strategies`.
    rule_sha256: of the study's decision rule. size_sha256: of the size that is judged.
    task_sha256: of the script that defines the task.
    required_metrics: test metrics that the task has to have.
    best_by: (metric, higher is better) where the state of the best validation is
      tested; None where the last state is.
    test: whether test data are read at the end.
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
        """Each seed once."""
        return tuple(dict.fromkeys(run.seed for run in self.runs))

    @property
    def numbers(self) -> dict[str, list[float]]:
        """{vmapped factor: its level in each run}."""
        names = self.runs[0].numbers
        return {name: [run.numbers[name] for run in self.runs] for name in names}


@dataclasses.dataclass(frozen=True)
class Status:
    """The state of a trial's directory.

    kind: new, half done, done, failed (done, with failed runs) or changed (done, but
      metrics.jsonl has changed since). step: of the newest checkpoint. failed: see
      `failures`.
    """

    kind: str
    step: int
    failed: list[dict[str, Any]]

    @property
    def finished(self) -> bool:
        return self.kind in ("done", "failed")


def identity(fixed: Mapping[str, Any], slug: str) -> str:
    """The directory's name: readable, and a hash of what determines the numbers."""
    text = json.dumps(fixed, sort_keys=True)
    return f"{slug}-{hashlib.blake2b(text.encode(), digest_size=5).hexdigest()}"


def status(directory: pathlib.Path) -> Status:
    """The status of a trial's directory."""
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
    """Raises UserError where a finished trial's metrics are not what they were."""
    if now.kind == "changed" and not (directory / "metrics.jsonl").is_file():
        raise UserError(
            "damaged-metrics",
            f"{directory / 'metrics.jsonl'}: is missing; without the directory the "
            "study's command runs the trial again",
            DAMAGED_DATA,
        )
    if now.kind == "changed":
        raise UserError(
            "damaged-metrics",
            f"{directory / 'metrics.jsonl'}: is not what it was when the trial was "
            f"done; dljax replay {directory} says what differs, and without "
            "the directory the study's command runs the trial again",
            DAMAGED_DATA,
        )


def failures(
    runs: Sequence[Run], rows: metrics_log.Rows, task: Task
) -> list[dict[str, Any]]:
    """[{"variant", "seed", "step", "metric"}]: where each failed run was frozen, and
    the first metric, in the order of play, that was not finite there.
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
