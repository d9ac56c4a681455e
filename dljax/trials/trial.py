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

import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dljax.errors import DAMAGED_DATA, UserError
from dljax.trials import checkpoint, disk, metrics_log
from dljax.types import Task


class Run(NamedTuple):
    """One variant with one seed. numbers: its levels of the array factors."""

    variant: str
    seed: int
    numbers: Mapping[str, float] = {}


class TrialSpec(NamedTuple):
    """One compiled program, one directory, one command.

    variant: what its runs have in common. config: of its first run. fixed: JSON values
    that determine its numbers.

    best_by: (metric, higher is better) where the state of the best validation is the
    one that is tested, None where it is the last. rule_sha256: of the rule that the
    study was declared with; size_sha256: of the size at which it is judged;
    task_sha256: of the script that makes its task. measures: that the task has to
    have. test: whether test data are read at the end.
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
    measures: tuple[str, ...] = ()
    best_by: tuple[str, bool] | None = None
    test: bool = True

    @property
    def seeds(self) -> tuple[int, ...]:
        """Each seed once."""
        return tuple(dict.fromkeys(run.seed for run in self.runs))

    @property
    def numbers(self) -> dict[str, list[float]]:
        """{array factor: its level in each run}."""
        return {name: [r.numbers[name] for r in self.runs] for name in self.runs[0][2]}


class Status(NamedTuple):
    """kind: new, half done, done, failed (done, with failed runs) or changed (done, but
    its metrics.jsonl is not what it was). step: of the newest checkpoint.
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
    """What is there of a trial."""
    step = next(iter(checkpoint.steps(directory / "checkpoints")), 0)
    done = disk.read_json(directory / "DONE")
    if not isinstance(done, dict) or not {"metrics_sha256", "failed"} <= done.keys():
        kind = "half done" if (directory / "checkpoints").is_dir() else "new"
        return Status(kind, step, [])
    metrics = directory / "metrics.jsonl"
    if not metrics.is_file() or disk.digest(metrics) != done["metrics_sha256"]:
        return Status("changed", step, done["failed"])
    return Status("failed" if done["failed"] else "done", step, done["failed"])


def refuse_changed(directory: pathlib.Path, now: Status) -> None:
    """Raises UserError where a finished trial's metrics are not what they were."""
    if now.kind == "changed" and not (directory / "metrics.jsonl").is_file():
        raise UserError(
            f"{directory / 'metrics.jsonl'}: is missing; without the directory the "
            "study's command runs the trial again",
            DAMAGED_DATA,
        )
    if now.kind == "changed":
        raise UserError(
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
    found = []
    for run in runs:
        me = {"variant": run.variant, "seed": run.seed}
        *_, last = (
            r for r in rows if r["split"] == "train" and r.items() >= me.items()
        )
        bad = [name for name, value in last.items() if value is None]
        found.append(me | {"step": last["step"], "metric": _first(bad, task)})
    return found


def _first(names: list[str], task: Task) -> str:
    players = list(dict.fromkeys(turn.name for turn in task.turns))

    def rank(name):
        player = next((i for i, p in enumerate(players) if name.startswith(f"{p}_")), 0)
        kind = name.removeprefix(f"{players[player]}_")
        return player, {"loss": 0, "grad_norm": 2}.get(kind, 1)

    return min(names, key=rank)
