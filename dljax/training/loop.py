"""The only loop: every family trains in it, all seeds of a trial at once.

At every boundary (a row to log, an evaluation, the end of a block of epochs, a save, a
stop) the order is fixed:

  1. the updates up to the next boundary are dispatched;
  2. the report of the boundary before is read, and its rows written;
  3. where due, the new state is evaluated on validation data, and kept as the best of
     those runs whose best it is;
  4. where due, all that is pending is written, and the state saved;
  5. where asked, the loop stops, having saved.

So the device computes while the host reads, and no step waits for the host. Boundaries
never change a bit: one compiled program does any number of steps.
"""

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dljax.errors import UserError, nearest
from dljax.training.programs import Program
from dljax.types import State

DISPATCH_SECS = 0.5  # of updates at once, at the most: how long a stop may take


class Best(NamedTuple):
    """Each run's best state by a validation metric.

    score: float32 (s,), larger is better; -inf before the first finite one.
    """

    score: Any
    state: State


class TrainState(NamedTuple):
    """What of a trial is kept: the state of all runs, and the best ones if asked for.

    All that the loop goes on from, and all that a checkpoint holds.
    """

    state: State
    best: Best | None

    @property
    def tested(self) -> State:
        """The state that is measured on test data."""
        return self.state if self.best is None else self.best.state


class Hooks(NamedTuple):
    """What the loop tells the world, and asks it.

    write(rows): (index of the run, what metrics.jsonl has of it but the variant).
    save(step, kept): keep this; called with all earlier rows written.
    save_due(): is it time to?
    stop(): has somebody asked to?
    progress(step, {name: mean over runs}): for the eye.
    """

    write: Callable[[Iterable[tuple[int, dict]]], None]
    save: Callable[[int, TrainState], None]
    save_due: Callable[[], bool]
    stop: Callable[[], bool]
    progress: Callable[[int, dict[str, float]], None]


class Outcome(NamedTuple):
    """step: where it ended. train_secs: updates and evaluation, compilation apart."""

    step: int
    kept: TrainState
    stopped: bool
    compile_secs: float
    train_secs: float
    save_secs: float


def warm_up(
    program: Program, kept: TrainState, *, test: bool = True
) -> tuple[TrainState, np.ndarray]:
    """Compiles what the loop calls, and does no steps; also says who is alive."""
    if kept.best is not None:  # of its own: `advance` uses up what it is given
        kept = kept._replace(best=jax.tree.map(jnp.copy, kept.best))
    state, report = program.advance(kept.state, program.orders(kept.state, 0), 0, 0)
    for split in program.held if test else ("valid",):
        program.compile(state, split)
    alive = np.asarray(report["alive"])[: len(program.seeds)]
    return kept._replace(state=state), alive


def begin(program: Program, best_by: tuple[str, bool] | None) -> TrainState:
    """What a trial starts from; `best_by` as in `train`."""
    state = program.init()
    if best_by is None:
        return TrainState(state, None)
    worst = jnp.full(state.step.shape, -jnp.inf, jnp.float32)
    return TrainState(state, Best(jax.device_put(worst, state.step.sharding), state))


def _tested(program: Program, state: State) -> dict[str, Any]:
    """All that is measured at the end: on test data, and on "seen" where there are."""
    found = program.evaluate(state, "test")
    if "seen" in program.held:
        seen = program.evaluate(state, "seen")
        found = {**found, **{f"train_{name}": pair for name, pair in seen.items()}}
    return found


def _measured(program: Program, state: State) -> list[str]:
    """The names of all that `_tested` measures."""
    seen = program.measures(state, "seen") if "seen" in program.held else ()
    return [*program.measures(state, "test"), *(f"train_{name}" for name in seen)]


def _check_measured(known: Iterable[str], metrics: Iterable[str]) -> None:
    for metric in metrics:
        if metric not in known:
            near = nearest(metric, known)
            hint = f"; did you mean {near}?" if near else ""
            raise UserError(
                f"the task measures {', '.join(known)}, and not {metric}{hint}"
            )


@functools.partial(jax.jit, static_argnames="higher")
def _better(best: Best, state: State, found: Any, *, higher: bool) -> Best:
    """The better of `best` and `state`, run by run; never one that is not finite."""
    total, count = found
    score = (total / count) * (1 if higher else -1)
    wins = jnp.isfinite(score) & (score > best.score) & state.alive

    def pick(new, old):
        return jnp.where(wins.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return Best(pick(score, best.score), jax.tree.map(pick, state, best.state))


def train(
    program: Program,
    kept: TrainState,
    *,
    step: int,
    steps: int,
    log_every: int,
    eval_every: int,
    best_by: tuple[str, bool] | None = None,
    test: bool = True,
    measures: Sequence[str] = (),
    hooks: Hooks,
) -> Outcome:
    """Trains from `step` to `steps`; rows are logged where step is a multiple.

    The last step is always logged, evaluated on "valid" and, where `test`, on "test",
    and saved. With best_by=(metric, higher is better) the test is of each run's state
    that was best on "valid", and the row's step is that state's.

    Raises:
      UserError: the task does not measure one of `measures`, where it has to.
    """
    begun = time.perf_counter()
    known = program.measures(kept.state, "valid")
    _check_measured(known, [best_by[0]] if best_by else [])
    _check_measured(_measured(program, kept.state) if test else known, measures)
    (state, best), alive = warm_up(program, kept, test=test)
    ready = time.perf_counter()
    saving = 0.0
    block, orders = -1, None
    pending: list[tuple[str, Any, Any]] = []
    rate, read_step, read_at = 0.0, step, ready  # of the last report read
    stopped = False

    def write_pending():
        nonlocal alive, rate, read_step, read_at
        for split, at, report in pending:
            rows, alive = _rows(program, split, at, report, alive)
            if split in ("train", "") and at > read_step:
                now = time.perf_counter()
                rate = (at - read_step) / max(now - read_at, 1e-9)
                read_step, read_at = at, now
            hooks.write(rows)
            if split == "train":
                hooks.progress(at, _means(rows))
        pending.clear()

    while step < steps and not stopped:  # 5
        if block != step // program.steps_per_block:
            block = step // program.steps_per_block
            orders = program.orders(state, block)
        ends = [steps, (block + 1) * program.steps_per_block]
        ends += [step + every - step % every for every in (log_every, eval_every)]
        n = max(1, min(min(ends) - step, int(rate * DISPATCH_SECS) or 1))
        offset = step - block * program.steps_per_block
        state, report = program.advance(state, orders, offset, n)  # 1
        write_pending()  # 2
        step += n
        last = step == steps
        logged = last or step % log_every == 0
        pending.append(("train" if logged else "", step, report))
        if last:  # it is seen before what may take long: the test
            write_pending()
        if last or step % eval_every == 0:  # 3
            found = program.evaluate(state, "valid")
            pending.append(("valid", step, found))
            if best is not None and best_by is not None:
                metric, higher = best_by
                best = _better(best, state, found[metric], higher=higher)
        if last and test:
            tested = TrainState(state, best).tested
            at = step if best is None else np.asarray(tested.step)[: len(alive)]
            pending.append(("test", at, _tested(program, tested)))
        stopped = hooks.stop()
        if last or stopped or hooks.save_due():  # 4
            write_pending()
            before = time.perf_counter()
            hooks.save(step, TrainState(state, best))
            saving += time.perf_counter() - before
    secs = time.perf_counter() - ready - saving
    return Outcome(step, TrainState(state, best), stopped, ready - begun, secs, saving)


def _rows(program: Program, split: str, at: Any, report: Any, alive: np.ndarray):
    """The rows of one report, at a step or each run's, and who is alive after it."""
    count = len(program.seeds)
    if split in ("valid", "test"):
        values = {k: divide(*pair)[:count] for k, pair in report.items()}
        steps, now = np.broadcast_to(at, (len(alive),)), alive
        written = alive
    else:
        now = np.asarray(report["alive"])[:count]
        died = alive & ~now
        written = (alive & (split == "train")) | died
        steps = np.where(died, np.asarray(report["step"])[:count] + 1, at)
        values = {k: divide(*pair)[:count] for k, pair in report["metrics"].items()}
    rows = []
    for i in np.flatnonzero(written):
        row = {
            "step": int(steps[i]),
            "seed": program.seeds[i],
            "split": split or "train",
        }
        rows.append((int(i), row | {k: _number(v[i]) for k, v in values.items()}))
    return rows, now


def divide(total: Any, count: Any) -> np.ndarray:
    """Sum over count, as float32; nan where nothing was counted."""
    with np.errstate(all="ignore"):
        return np.asarray(total, np.float32) / np.asarray(count, np.float32)


def _number(value: np.float32) -> float | None:
    """The shortest decimal that reads back as this float32; null if not finite."""
    return float(str(value)) if np.isfinite(value) else None


def _means(rows: list[tuple[int, dict]]) -> dict[str, float]:
    names = (rows[0][1].keys() if rows else set()) - {"step", "seed", "split"}
    values = {k: [r[k] for _, r in rows if r[k] is not None] for k in sorted(names)}
    return {k: float(np.mean(v)) for k, v in values.items() if v}
