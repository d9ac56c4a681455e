"""Benchmark studies: trials that are timed instead of trained.

The experiment's script defines measure(config, task, source) -> round in addition to
`task`; round(seed) returns {metric: number}. Each variant is built and warmed up before
the first round. Rounds are interleaved, seed by seed and variant by variant, so that
background load affects all variants equally. A round is a run, and its numbers are test
metrics. Interrupted rounds start again. The trials of a benchmark study have no
checkpoints and cannot be replayed.
"""

import json
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence

from dljax.config import StudyRequest, field_defaults
from dljax.errors import DONE, PREEMPTED, UserError
from dljax.studies.study import Study
from dljax.studies.trial_groups import BoundTrial
from dljax.trials import disk, manifest, run_trial
from dljax.trials.lock import locked
from dljax.trials.progress import Progress
from dljax.trials.trial import status

# Flags that concern training only, or that would separate the trials.
TRAINING_FLAGS = ("trial", "jobs", "launcher", "seeds_by", "profile", "tensorboard")

Round = Callable[[int], dict[str, float]]


def check(study: Study, request: StudyRequest) -> None:
    """Checks that a benchmark study can interleave its rounds.

    Raises:
      UserError: the study tunes, or a flag of `TRAINING_FLAGS` is set.
    """
    if study.tune:
        raise UserError(
            "study-cannot-tune",
            "STUDY.tune: a benchmark study has no validation metric to tune by; remove "
            "tune or measure",
        )
    defaults = field_defaults(request.config)
    for name in TRAINING_FLAGS:
        if getattr(request.config, name) != defaults[name]:
            raise UserError(
                "flag-not-applicable",
                f"--{name}: does not apply to a benchmark study, whose trials "
                f"alternate in one process; omit --{name}",
            )


def run(
    measure: Callable[..., Round],
    trials: Sequence[BoundTrial],
    directory: pathlib.Path,
    *,
    stop: Callable[[], bool],
    progress: Progress,
) -> int:
    """Measures all trials of the seeds that have an unfinished trial.

    Finished trials of these seeds are measured again, interleaved with the others.

    Args:
      measure: the script's `measure`.
      trials: the trials of the study.
      directory: the study's directory.
      stop: returns True once a signal has requested a stop.

    Returns:
      the exit code.
    """
    selected, repeated = _select(trials, directory)
    if not selected:
        return DONE
    if repeated:
        progress.log(
            f"finished trials that are measured again, with the others: {repeated}"
        )
    start = time.time()
    rounds, setup_secs = _set_up(measure, selected, progress)
    measured = _measure(selected, rounds, stop, progress)
    if measured is None:
        progress.log("stopped; the same command starts all rounds again")
        return PREEMPTED
    lines, round_secs = measured
    for bound in selected:
        trial = bound.trial
        path = directory / trial.name
        path.mkdir(parents=True, exist_ok=True)
        with locked(path, break_lock=trial.config.break_lock, log=progress.log):
            secs = setup_secs[trial.name] + round_secs[trial.name]
            timing = {"began": start, "secs": round(secs, 3)}
            _write(bound, lines[trial.name], path, timing)
    return DONE


def _select(
    trials: Sequence[BoundTrial], directory: pathlib.Path
) -> tuple[list[BoundTrial], int]:
    """Returns the trials to measure, and how many of them are already finished."""
    unfinished = [b for b in trials if not status(directory / b.trial.name).finished]
    seeds = {seed for bound in unfinished for seed in bound.trial.seeds}
    selected = [bound for bound in trials if seeds & set(bound.trial.seeds)]
    return selected, len(selected) - len(unfinished)


def _set_up(
    measure: Callable[..., Round], trials: Sequence[BoundTrial], progress: Progress
) -> tuple[dict[str, Round], dict[str, float]]:
    """Builds and warms up all trials; returns {trial: round} and {trial: seconds}."""
    rounds, secs = {}, {}
    for bound in trials:
        trial = bound.trial
        progress.log(f"{trial.title}: compiling and warming up")
        task = bound.task(trial.runs[0].numbers)
        start = time.perf_counter()
        rounds[trial.name] = measure(trial.config, task, bound.source)
        secs[trial.name] = time.perf_counter() - start
    return rounds, secs


def _measure(
    trials: Sequence[BoundTrial],
    rounds: Mapping[str, Round],
    stop: Callable[[], bool],
    progress: Progress,
) -> tuple[dict[str, list[str]], dict[str, float]] | None:
    """Runs all rounds.

    Returns:
      {trial: lines of metrics.jsonl} and {trial: seconds}; None if stopped.

    Raises:
      UserError: a round does not return a metric that the verdict depends on.
    """
    lines: dict[str, list[str]] = {name: [] for name in rounds}
    secs = dict.fromkeys(rounds, 0.0)
    seeds = dict.fromkeys(seed for bound in trials for seed in bound.trial.seeds)
    count = 0
    progress.start(len(seeds) * len(trials), 0, "rounds")
    try:
        for step, seed in enumerate(seeds):
            for trial in (bound.trial for bound in trials):
                if stop():
                    return None
                start = time.perf_counter()
                metrics = rounds[trial.name](seed)
                secs[trial.name] += time.perf_counter() - start
                if lacking := [m for m in trial.required_metrics if m not in metrics]:
                    raise UserError(
                        "metric-not-measured",
                        f"measure: returns {', '.join(metrics)}, but not {lacking[0]}; "
                        "return it, or rename STUDY.primary_metric",
                    )
                row = {"step": step, "seed": seed, "variant": trial.variant}
                lines[trial.name].append(
                    json.dumps({**row, "split": "test", **metrics})
                )
                progress.update(count := count + 1, metrics)
    finally:
        progress.finish()
    return lines, secs


def _write(
    bound: BoundTrial, lines: list[str], path: pathlib.Path, timing: dict[str, float]
) -> None:
    """Writes the files of a finished trial, without checkpoints."""
    trial, source = bound.trial, bound.source
    task = bound.task(trial.runs[0].numbers)
    record = manifest.environment(trial.config) | run_trial.describe_trial(
        trial, task, source
    )
    disk.write_json(path / "config.json", run_trial.config_record(trial, source))
    disk.write_json(path / "manifest.json", record | {"failed": []})
    disk.write_text(path / "metrics.jsonl", "\n".join(lines) + "\n")
    disk.write_text(path / "timing.jsonl", json.dumps(timing) + "\n")
    done = {"metrics_sha256": disk.sha256(path / "metrics.jsonl"), "failed": []}
    disk.write_json(path / "DONE", done)
