"""--plan: the trials of a study, and how long they will take, from a short timing."""

import datetime
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax

from dljax.sources.resident import updates
from dljax.studies.trial_groups import BoundTrial
from dljax.training import cost, loop
from dljax.trials import samples
from dljax.trials.device_errors import explained
from dljax.trials.run_trial import compiled
from dljax.trials.trial import status

ENOUGH_SECS = 1.0  # of updates, to know their rate
FILES_SECS = 0.3  # a trial's files and last save
ONCE_SECS = 6.0  # a command's imports and its report


def plan(
    tune: Sequence[BoundTrial],
    decide: Sequence[BoundTrial],
    declared: Mapping[str, Any],
    directory: pathlib.Path,
    *,
    clock: bool = True,
) -> str:
    """A line a trial, and with `clock` how long those take that are not finished.

    Trials that follow on tuning are not known before it; a run of theirs is taken to
    cost what one of tuning's does.
    """
    lines, total, timed = [], 0.0, 0
    for one in [*tune, *decide]:
        trial, now = one.trial, status(directory / one.trial.name)
        line = f"{trial.name}: {_size(one)}, {now.kind}"
        if now.kind == "half done":
            line += f" at step {now.step}"
        if clock and not now.finished:
            left = 1 - now.step / updates(trial.config, one.source)
            with explained(trial):
                whole = _seconds(one)
            secs = whole * left
            total += secs
            timed += len(trial.runs)
            line += f", about {_clock(secs)}"
        lines.append(line)
    if tune and not decide:
        runs = len(declared["variants"]) * len(declared["seeds"])
        secs = total / timed * runs
        total += secs
        lines.append(
            f"then {len(declared['variants'])} variants as they are tuned, of "
            f"{len(declared['seeds'])} seeds, about {_clock(secs)}"
        )
    if not clock:
        return "\n".join([*lines, "trials are measured in turns, to their end at once"])
    if not total:
        return "\n".join([*lines, "everything is done"])
    lines.append(f"in all about {_clock(total + ONCE_SECS)}, one trial after another")
    return "\n".join(lines)


def _size(one: BoundTrial) -> str:
    trial = one.trial
    variants = len({run.variant for run in trial.runs})
    parameters = cost.parameters(one.task(trial.runs[0].numbers)).total
    levels = f"{variants} levels x " if variants > 1 else ""
    return (
        f"{parameters:,} parameters, {levels}{len(trial.seeds)} seeds, "
        f"{updates(trial.config, one.source):,} updates, {trial.lowering}"
    )


def _seconds(one: BoundTrial) -> float:
    """How long a trial takes from its start, its compiled programs being on disk."""
    trial, task, source, _ = one

    def start():
        program = compiled(trial, task, source)
        kept = loop.begin(program, trial.best_by)
        kept, _ = loop.warm_up(program, kept, test=trial.test)
        if trial.test:
            jax.block_until_ready(program.sample(kept.tested, samples.COUNT))
        cost.flops(task(trial.runs[0].numbers), source, trial.config.batch_size)
        return program, kept.state

    start()  # compiles; the run itself will find that on disk, as the next line does
    jax.clear_caches()
    (program, state), ready = _timed(start)
    orders, permuted = _timed(lambda: program.orders(state, 0))
    rate, n, took = 0.0, 1, 0.0
    while took < ENOUGH_SECS and n <= program.steps_per_block:
        (state, _), took = _timed(partial(program.advance, state, orders, 0, n))
        rate, n = took / n, n * 2
    steps = updates(trial.config, source)
    measured = 0.0
    for split, count in (("valid", _evaluations(one)), ("test", int(trial.test))):
        if count:
            measured += count * _timed(partial(program.evaluate, state, split))[1]
    blocks = -(-steps // program.steps_per_block)
    return ready + permuted * blocks + rate * steps + measured + FILES_SECS


def _evaluations(one: BoundTrial) -> int:
    steps = updates(one.trial.config, one.source)
    return -(-steps // (one.trial.config.eval_every or max(1, steps // 20)))


def _timed(function: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    result = jax.block_until_ready(function())
    return result, time.perf_counter() - begun


def _clock(secs: float) -> str:
    """Seconds below two minutes, else hours:minutes:seconds."""
    return (
        f"{secs:.0f} s" if secs < 120 else str(datetime.timedelta(seconds=round(secs)))
    )
