"""Trials that are measured instead of trained: their numbers are times, or hold some.

The script has, beside `task`, measure(config, task, source) -> round, where round(seed)
gives {metric: number}. All variants take turns: seed by seed each is measured once, so
that what else the machine does meets all of them alike; before, each is made ready and
warmed up. A round is a run, and its numbers are test metrics; rounds that are
interrupted are begun anew. Such a trial has no checkpoints, and no replay gives its
numbers again.
"""

import json
import pathlib
import time
from collections.abc import Callable, Sequence

from dljax.config import StudyRequest
from dljax.errors import DONE, PREEMPTED, UserError
from dljax.studies.study import Study
from dljax.studies.trial_groups import BoundTrial
from dljax.trials import disk, manifest, run_trial
from dljax.trials.lock import locked
from dljax.trials.progress import Progress
from dljax.trials.trial import status

USUAL = {
    "trial": "",
    "jobs": 1,
    "launcher": "local",
    "seeds_by": "auto",
    "profile": False,
    "tensorboard": False,
}


def check(study: Study, request: StudyRequest) -> None:
    """Raises UserError where the trials would not take turns, or what only training has
    is asked for.
    """
    if study.tune:
        raise UserError("STUDY.tune: a study of times has nothing to tune by")
    for name, value in USUAL.items():
        if getattr(request.config, name) != value:
            raise UserError(
                f"--{name}: this study measures times; its trials take turns in one "
                "process"
            )


def run(
    measure: Callable[..., Callable[[int], dict[str, float]]],
    prepared: Sequence[BoundTrial],
    directory: pathlib.Path,
    *,
    stop: Callable[[], bool],
    progress: Progress,
) -> int:
    """Measures those trials that are not done, and with them all of the same seeds, so
    that they take turns; returns the exit code.
    """
    left = [p for p in prepared if not status(directory / p.trial.name).finished]
    open_seeds = {seed for one in left for seed in one.trial.seeds}
    todo = [p for p in prepared if open_seeds & set(p.trial.seeds)]
    if again := len(todo) - len(left):
        progress.log(
            f"{again} that are done are measured again, in turns with the others"
        )
    begun, rounds = time.time(), {}
    secs = dict.fromkeys((one.trial.name for one in todo), 0.0)
    for one in todo:
        trial = one.trial
        progress.log(f"{trial.variant}: made ready")
        config, task = trial.config, one.task(trial.runs[0].numbers)
        at = time.perf_counter()
        rounds[trial.name] = measure(config, task, one.source)
        secs[trial.name] += time.perf_counter() - at
    lines: dict[str, list[str]] = {name: [] for name in rounds}
    seeds = list(dict.fromkeys(seed for one in todo for seed in one.trial.seeds))
    if todo:
        progress.start(len(seeds) * len(todo), 0, "rounds")
    for i, seed in enumerate(seeds):
        for j, one in enumerate(todo):
            if stop():
                progress.finish()
                progress.log("stopped; rounds are begun anew by the same command")
                return PREEMPTED
            at = time.perf_counter()
            found = rounds[one.trial.name](seed)
            secs[one.trial.name] += time.perf_counter() - at
            if missing := [m for m in one.trial.measures if m not in found]:
                raise UserError(
                    f"measure: gives {', '.join(found)}, and no {missing[0]}"
                )
            row = {"step": i, "seed": seed, "variant": one.trial.variant}
            lines[one.trial.name].append(json.dumps({**row, "split": "test", **found}))
            progress.update(i * len(todo) + j + 1, found)
    if todo:
        progress.finish()
    for one in todo:
        place = directory / one.trial.name
        place.mkdir(parents=True, exist_ok=True)
        with locked(place, break_lock=one.trial.config.break_lock, log=progress.log):
            timing = {"began": begun, "secs": round(secs[one.trial.name], 3)}
            _write(one, lines[one.trial.name], place, timing)
    return DONE


def _write(
    one: BoundTrial, lines: list[str], place: pathlib.Path, timing: dict[str, float]
) -> None:
    """Leaves of a trial what a trained one leaves, but checkpoints."""
    trial, source = one.trial, one.source
    first = one.task(trial.runs[0].numbers)
    page = manifest.surroundings(trial.config) | run_trial.described(
        trial, first, source
    )
    disk.write_json(place / "config.json", run_trial.page(trial, source))
    disk.write_json(place / "manifest.json", page | {"failed": []})
    disk.write_text(place / "metrics.jsonl", "\n".join(lines) + "\n")
    disk.write_text(place / "timing.jsonl", json.dumps(timing) + "\n")
    done = {"metrics_sha256": disk.digest(place / "metrics.jsonl"), "failed": []}
    disk.write_json(place / "DONE", done)
