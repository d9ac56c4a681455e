"""The trials that a study needs, and for --plan how long they will take."""

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

ENOUGH_SECS = 1.0  # of updates, to know their rate
FILES_SECS = 0.3  # a trial's files and last save
ONCE_SECS = 6.0  # a command's imports and its report


@dataclasses.dataclass(frozen=True)
class StudyPlan:
    """A study's spec, which lists its trials, and the trials themselves.

    tuning: the trials that tune. trials: those that the verdict rests on, none as long
    as tuning is not finished.
    """

    spec: StudySpec
    tuning: tuple[BoundTrial, ...]
    trials: tuple[BoundTrial, ...]


def make_plan(
    experiment: Experiment, config: Any, spec: StudySpec, directory: pathlib.Path
) -> StudyPlan:
    """The plan of a spec, by the trials of tuning that are finished in `directory`.

    Args:
      config: of the command line.

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
    """A line a trial, and with `timed` how long those take that are not finished.

    Trials that follow on tuning are not known before it: one of their runs is taken to
    cost as much as one of tuning's.
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
            f"then {variants} variants as they are tuned, of {seeds} seeds, about "
            f"{_clock(secs)}"
        )
    if not timed:
        return "\n".join([*lines, "trials are measured in turns, to their end at once"])
    if not total:
        return "\n".join([*lines, "everything is done"])
    lines.append(f"in all about {_clock(total + ONCE_SECS)}, one trial after another")
    return "\n".join(lines)


def _size(bound: BoundTrial) -> str:
    trial = bound.trial
    variants = len({run.variant for run in trial.runs})
    parameters = cost.count_parameters(bound.task(trial.runs[0].numbers)).total
    levels = f"{variants} levels x " if variants > 1 else ""
    return (
        f"{parameters:,} parameters, {levels}{len(trial.seeds)} seeds, "
        f"{updates(trial.config, bound.source):,} updates, {trial.strategy}"
    )


def _seconds(bound: BoundTrial) -> float:
    """How long a trial takes from its start, its compiled programs being on disk."""
    trial, task, source = bound.trial, bound.task, bound.source

    def start():
        program = make_trial_program(trial, task, source)
        train_state = loop.init_train_state(program, trial.best_by)
        train_state, _ = loop.warm_up(program, train_state, test=trial.test)
        if trial.test:
            jax.block_until_ready(program.sample(train_state.selected, samples.COUNT))
        cost.count_flops(task(trial.runs[0].numbers), source, trial.config.batch_size)
        return program, train_state.state

    start()  # compiles; the run itself will find that on disk, as the next line does
    jax.clear_caches()
    (program, state), ready = _timed(start)
    permutations, shuffle_secs = _timed(lambda: program.shuffle(state, 0))
    rate, n, took = 0.0, 1, 0.0
    while took < ENOUGH_SECS and n <= program.steps_per_shuffle:
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
    steps = updates(bound.trial.config, bound.source)
    return -(-steps // (bound.trial.config.eval_every or max(1, steps // 20)))


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = jax.block_until_ready(function())
    return result, time.perf_counter() - start


def _clock(secs: float) -> str:
    """Seconds below two minutes, else hours:minutes:seconds."""
    return (
        f"{secs:.0f} s" if secs < 120 else str(datetime.timedelta(seconds=round(secs)))
    )
