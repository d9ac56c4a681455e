"""The trials of a study, and for --plan an estimate of how long they take."""

import dataclasses
import datetime
import pathlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from dljax.sources.resident import updates
from dljax.studies import trial_groups, tuning
from dljax.studies.experiment import Experiment
from dljax.studies.study_spec import StudySpec
from dljax.studies.trial_groups import BoundTrial
from dljax.training import cost, loop
from dljax.trials import samples
from dljax.trials.device_errors import explain_device_errors
from dljax.trials.run_trial import make_trial_program
from dljax.trials.trial import status

RATE_SECS = 1.0  # of updates, to measure their rate
FILES_SECS = 0.3  # per trial: files and the last checkpoint
COMMAND_SECS = 6.0  # per command: imports and the report


@dataclasses.dataclass(frozen=True)
class StudyPlan:
    """The trials of a study, each bound to its task and source.

    Attributes:
      spec: the study's spec, which lists the trials.
      tuning: the trials that tune.
      trials: the trials of the verdict; empty until tuning is finished.
    """

    spec: StudySpec
    tuning: tuple[BoundTrial, ...]
    trials: tuple[BoundTrial, ...]


def make_plan(
    experiment: Experiment, config: Any, spec: StudySpec, directory: pathlib.Path
) -> StudyPlan:
    """Plans the trials of a study.

    Args:
      experiment: the experiment.
      config: the config of the command line.
      spec: the study's spec.
      directory: the study's directory; finished tuning trials there give the tuned
        values of the trials of the verdict.

    Raises:
      UserError: see `tuning.scores`.
    """
    tune = tuning.trials(experiment, config, spec)
    spec = dataclasses.replace(spec, tuning_trials=trial_groups.entries(tune))
    if trial_groups.unfinished(tune, directory):
        return StudyPlan(spec, tuple(tune), ())
    study, tuned = experiment.study, {}
    if tune:
        tuned = tuning.chosen(tuning.scores(study, spec, directory))
    spec = trial_groups.with_trial_groups(study, spec, tuned)
    trials = trial_groups.verdict_trials(experiment, config, spec, tuned)
    spec = dataclasses.replace(spec, trials=trial_groups.entries(trials))
    return StudyPlan(spec, tuple(tune), tuple(trials))


def describe(plan: StudyPlan, directory: pathlib.Path, *, timed: bool = True) -> str:
    """Describes a plan, one line per trial.

    Before tuning, the trials of the verdict are not known; a run of theirs is assumed
    to take as long as a tuning run.

    Args:
      plan: the plan.
      directory: the study's directory.
      timed: whether to estimate the times of unfinished trials.
    """
    lines, total, timed_runs = [], 0.0, 0
    for bound in [*plan.tuning, *plan.trials]:
        trial, now = bound.trial, status(directory / bound.trial.name)
        line = f"{trial.name}: {_size(bound)}, {now.kind}"
        if now.kind == "half done":
            line += f" at step {now.step}"
        if timed and not now.finished:
            left = 1 - now.step / updates(trial.config, bound.source)
            with explain_device_errors(trial):
                secs = _seconds(bound) * left
            total += secs
            timed_runs += len(trial.runs)
            line += f", about {_clock(secs)}"
        lines.append(line)
    if plan.tuning and not plan.trials:
        variants, seeds = len(plan.spec.variants), len(plan.spec.seeds)
        secs = total / timed_runs * variants * seeds
        total += secs
        lines.append(
            f"after tuning: {variants} variants x {seeds} seeds, about {_clock(secs)}"
        )
    if not timed:
        return "\n".join([*lines, "all trials are measured together, in rounds"])
    if not total:
        return "\n".join([*lines, "all trials are done"])
    lines.append(
        f"total: about {_clock(total + COMMAND_SECS)}, one trial after another"
    )
    return "\n".join(lines)


def _size(bound: BoundTrial) -> str:
    """A trial's parameters, levels, seeds, updates and strategy, in words."""
    trial = bound.trial
    variants = len({run.variant for run in trial.runs})
    parameters = cost.count_parameters(bound.task(trial.runs[0].numbers)).total
    levels = f"{variants} levels x " if variants > 1 else ""
    return (
        f"{parameters:,} parameters, {levels}{len(trial.seeds)} seeds, "
        f"{updates(trial.config, bound.source):,} updates, {trial.strategy}"
    )


def _seconds(bound: BoundTrial) -> float:
    """Estimates a trial's time in seconds, with its compiled programs in the cache."""
    trial, task, source = bound.trial, bound.task, bound.source

    def start():
        program = make_trial_program(trial, task, source)
        train_state = loop.init_train_state(program, trial.best_by)
        train_state, _ = loop.warm_up(program, train_state, test=trial.test)
        if trial.test:
            jax.block_until_ready(program.sample(train_state.selected, samples.COUNT))
        cost.count_flops(task(trial.runs[0].numbers), source, trial.config.batch_size)
        return program, train_state.state

    start()  # compiles; the next call, like the run, reads the compilation cache
    jax.clear_caches()
    (program, state), ready = _timed(start)
    permutations, shuffle_secs = _timed(lambda: program.shuffle(state, 0))
    rate, n, took = 0.0, 1, 0.0
    while took < RATE_SECS and n <= program.steps_per_shuffle:
        (state, _), took = _timed(
            partial(program.train_steps, state, permutations, 0, n)
        )
        rate, n = took / n, n * 2
    steps = updates(trial.config, source)
    measured = 0.0
    for split, count in (("valid", _evaluations(bound)), ("test", int(trial.test))):
        if count:
            test = split == "test"
            evaluate = partial(program.evaluate, final_metrics=test, samples=test)
            measured += count * _timed(partial(evaluate, state, split))[1]
    shuffles = -(-steps // program.steps_per_shuffle)
    return ready + shuffle_secs * shuffles + rate * steps + measured + FILES_SECS


def _evaluations(bound: BoundTrial) -> int:
    """The number of evaluations on validation data."""
    steps = updates(bound.trial.config, bound.source)
    return -(-steps // (bound.trial.config.eval_every or max(1, steps // 20)))


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """Calls a function; returns the result, once computed, and the seconds."""
    start = time.perf_counter()
    result = jax.block_until_ready(function())
    return result, time.perf_counter() - start


def _clock(secs: float) -> str:
    """Formats seconds: "90 s" below two minutes, else "0:02:30"."""
    return (
        f"{secs:.0f} s" if secs < 120 else str(datetime.timedelta(seconds=round(secs)))
    )
