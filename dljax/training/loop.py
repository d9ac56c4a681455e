"""The training loop for all tasks; it trains all runs of a trial together.

A boundary is a step at which metrics are logged, the model is evaluated, a shuffle of
the data ends, the state is saved, or the loop stops. At each boundary, in this order:

  1. the updates up to the next boundary are dispatched;
  2. the report of the previous boundary is read, and its rows are written;
  3. if due, the new state is evaluated on validation data and replaces the stored
     best state of each run whose score improved;
  4. if due, all pending rows are written and the state is saved;
  5. if requested, the loop stops, after a save.

Thus the device computes while the host reads, and no step waits for the host. The
boundaries do not change the results: the number of steps is a traced argument.
"""

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dljax.errors import UserError, closest_match
from dljax.training.programs import Program
from dljax.types import State

DISPATCH_SECS = 0.5  # longest dispatch of updates; bounds the time to stop


class Best(NamedTuple):
    """The best state of each run by a validation metric.

    Attributes:
      score: float32 (s,), larger is better; -inf before the first finite score.
      state: the states with these scores.
    """

    score: Any
    state: State


class TrainState(NamedTuple):
    """The states of all runs, and their best states; the content of a checkpoint.

    Attributes:
      state: the current states; leaves (s, ...).
      best: the best states, or None if no metric selects states.
    """

    state: State
    best: Best | None

    @property
    def selected(self) -> State:
        """The state to evaluate on test data: the best, else the last."""
        return self.state if self.best is None else self.best.state


class Hooks(NamedTuple):
    """Callbacks of the loop; by default they do nothing.

    Attributes:
      write: takes rows: (index of the run, row of metrics.jsonl without the variant).
      save: takes step and train_state, after all earlier rows are written.
      save_due: whether it is time to save.
      stop: whether a stop is requested.
      progress: takes step and {metric: mean over runs} at each logged step.
    """

    write: Callable[[Iterable[tuple[int, dict]]], None] = lambda rows: None
    save: Callable[[int, TrainState], None] = lambda step, train_state: None
    save_due: Callable[[], bool] = lambda: False
    stop: Callable[[], bool] = lambda: False
    progress: Callable[[int, dict[str, float]], None] = lambda step, metrics: None


NO_HOOKS = Hooks()


class Outcome(NamedTuple):
    """The result of `train`.

    Attributes:
      step: the last step done.
      train_state: the states after it.
      stopped: whether a stop was requested before the last step.
      compile_secs: seconds of compilation.
      train_secs: seconds of updates and evaluations.
      save_secs: seconds of saving.
    """

    step: int
    train_state: TrainState
    stopped: bool
    compile_secs: float
    train_secs: float
    save_secs: float


class TrainReport(NamedTuple):
    """A report of `Program.train_steps`.

    Attributes:
      step: the step of the report.
      report: see `Program.train_steps`.
      logged: whether rows are written for it.
    """

    step: int
    report: Any
    logged: bool


class EvalReport(NamedTuple):
    """Metrics of a split.

    Attributes:
      split: the split's name.
      step: one int for all runs, or int (s,), one per run.
      metrics: {name: (sum (s,), count (s,))}.
    """

    split: str
    step: Any
    metrics: Any


def init_train_state(program: Program, best_by: tuple[str, bool] | None) -> TrainState:
    """The state before the first update; for `best_by` see `train`."""
    state = program.init()
    if best_by is None:
        return TrainState(state, None)
    worst = jnp.full(state.step.shape, -jnp.inf, jnp.float32)
    return TrainState(state, Best(jax.device_put(worst, state.step.sharding), state))


def warm_up(
    program: Program, train_state: TrainState, *, test: bool = True
) -> tuple[TrainState, np.ndarray]:
    """Compiles all functions that the loop calls, without an update.

    Args:
      program: the compiled functions.
      train_state: its buffers are donated.
      test: whether the loop will evaluate test data.

    Returns:
      the state, and bool (s,), which runs are alive.
    """
    if train_state.best is not None:  # a copy: `train_steps` donates the state
        best = jax.tree.map(jnp.copy, train_state.best)
        train_state = train_state._replace(best=best)
    permutations = program.shuffle(train_state.state, 0)
    state, report = program.train_steps(train_state.state, permutations, 0, 0)
    program.compile_evaluate(state, "valid")
    if test:
        program.compile_evaluate(state, "test", final_metrics=True)
    if test and "train_eval" in program.eval_splits:
        program.compile_evaluate(state, "train_eval")
    alive = np.asarray(report["alive"])[: len(program.seeds)]
    return train_state._replace(state=state), alive


def train(
    program: Program,
    train_state: TrainState,
    *,
    step: int,
    steps: int,
    log_every: int,
    eval_every: int,
    best_by: tuple[str, bool] | None = None,
    test: bool = True,
    required_metrics: Sequence[str] = (),
    hooks: Hooks = NO_HOOKS,
) -> Outcome:
    """Trains from `step` to `steps`.

    The last step is always logged, evaluated on "valid" and, with `test`, on "test",
    and saved.

    Args:
      program: the compiled functions.
      train_state: the states at `step`.
      step, steps: the first and the last step.
      log_every: number of steps between logged rows.
      eval_every: number of steps between evaluations on "valid".
      best_by: (metric, higher is better): tests each run's state that is best on
        "valid"; the row's step is that of this state. None: tests the last state.
      test: whether to evaluate test data after the last step.
      required_metrics: metrics that the task must measure.
      hooks: callbacks.

    Raises:
      UserError: the task does not measure `best_by`'s metric or a required metric.
    """
    started = time.perf_counter()
    _check_metrics(program, train_state.state, best_by, required_metrics, test=test)
    (state, best), alive = warm_up(program, train_state, test=test)
    ready = time.perf_counter()
    reports = _Reports(program, hooks, alive, step)
    save_secs = 0.0
    shuffle, permutations = -1, None
    stopped = False
    while step < steps and not stopped:  # 5
        if shuffle != step // program.steps_per_shuffle:
            shuffle = step // program.steps_per_shuffle
            permutations = program.shuffle(state, shuffle)
        offset = step - shuffle * program.steps_per_shuffle
        boundaries = [steps, (shuffle + 1) * program.steps_per_shuffle]
        boundaries += [step + n - step % n for n in (log_every, eval_every)]
        most = int(reports.steps_per_sec * DISPATCH_SECS) or 1
        n = max(1, min(min(boundaries) - step, most))
        state, report = program.train_steps(state, permutations, offset, n)  # 1
        reports.write()  # 2
        step += n
        last = step == steps
        logged = last or step % log_every == 0
        reports.add(TrainReport(step, report, logged))
        if last:  # before the test, which may take long
            reports.write()
        if last or step % eval_every == 0:  # 3
            metrics = program.evaluate(state, "valid")
            reports.add(EvalReport("valid", step, metrics))
            if best is not None and best_by is not None:
                name, higher = best_by
                best = _better(best, state, metrics[name], higher=higher)
        if last and test:
            reports.add(_test(program, TrainState(state, best), step))
        stopped = hooks.stop()
        if last or stopped or hooks.save_due():  # 4
            reports.write()
            before = time.perf_counter()
            hooks.save(step, TrainState(state, best))
            save_secs += time.perf_counter() - before
    train_secs = time.perf_counter() - ready - save_secs
    train_state = TrainState(state, best)
    return Outcome(step, train_state, stopped, ready - started, train_secs, save_secs)


@functools.partial(jax.jit, static_argnames="higher")
def _better(best: Best, state: State, metric: Any, *, higher: bool) -> Best:
    """The better of `best` and `state` per run; a non-finite score is never better."""
    total, count = metric
    score = (total / count) * (1 if higher else -1)
    wins = jnp.isfinite(score) & (score > best.score) & state.alive

    def pick(new, old):
        return jnp.where(wins.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return Best(pick(score, best.score), jax.tree.map(pick, state, best.state))


def _test(program: Program, train_state: TrainState, step: int) -> EvalReport:
    """Final metrics: of the test split and, prefixed `train_`, of "train_eval"."""
    state = train_state.selected
    metrics = program.evaluate(state, "test", final_metrics=True, samples=True)
    if "train_eval" in program.eval_splits:
        train_metrics = program.evaluate(state, "train_eval")
        metrics |= {f"train_{name}": pair for name, pair in train_metrics.items()}
    if train_state.best is None:
        return EvalReport("test", step, metrics)
    return EvalReport("test", np.asarray(state.step)[: len(program.seeds)], metrics)


def _test_metric_names(program: Program, state: State) -> list[str]:
    """The names of `_test`'s metrics."""
    names = [*program.metric_names(state, "test", final_metrics=True, samples=True)]
    if "train_eval" in program.eval_splits:
        train_names = program.metric_names(state, "train_eval")
        names += [f"train_{name}" for name in train_names]
    return names


def _check_metrics(
    program: Program,
    state: State,
    best_by: tuple[str, bool] | None,
    required_metrics: Sequence[str],
    *,
    test: bool,
) -> None:
    names = program.metric_names(state, "valid")
    _require([best_by[0]] if best_by else [], names)
    _require(required_metrics, _test_metric_names(program, state) if test else names)


def _require(metrics: Iterable[str], names: Sequence[str]) -> None:
    for metric in metrics:
        if metric not in names:
            near = closest_match(metric, names)
            hint = f"; did you mean {near}?" if near else ""
            raise UserError(
                "metric-not-measured",
                f"metric {metric}: not measured by the task{hint}; it measures "
                f"{', '.join(names)}",
            )


class _Reports:
    """Reports that the device may still be computing, and their rows.

    A class, because it holds which runs are alive and the rate of updates.
    """

    def __init__(self, program: Program, hooks: Hooks, alive: np.ndarray, step: int):
        self.steps_per_sec = 0.0  # at the last report read
        self._program, self._hooks = program, hooks
        self._alive = alive
        self._pending: list[TrainReport | EvalReport] = []
        self._read_step, self._read_at = step, time.perf_counter()

    def add(self, report: TrainReport | EvalReport) -> None:
        """Adds a pending report, without waiting for the device."""
        self._pending.append(report)

    def write(self) -> None:
        """Waits for all pending reports and writes their rows."""
        for report in self._pending:
            if isinstance(report, EvalReport):
                self._hooks.write(_eval_rows(self._program, report, self._alive))
                continue
            rows, self._alive = _train_rows(self._program, report, self._alive)
            self._measure_rate(report.step)
            self._hooks.write(rows)
            if report.logged:
                self._hooks.progress(report.step, _means(rows))
        self._pending.clear()

    def _measure_rate(self, step: int) -> None:
        if step > self._read_step:
            now = time.perf_counter()
            secs = max(now - self._read_at, 1e-9)
            self.steps_per_sec = (step - self._read_step) / secs
            self._read_step, self._read_at = step, now


Rows = list[tuple[int, dict[str, Any]]]


def _train_rows(
    program: Program, train_report: TrainReport, alive: np.ndarray
) -> tuple[Rows, np.ndarray]:
    """Rows of runs that are alive, if logged, or have just failed.

    Returns:
      the rows, and the updated `alive` mask.
    """
    count = len(program.seeds)
    report = train_report.report
    now = np.asarray(report["alive"])[:count]
    died = alive & ~now
    written = (alive & train_report.logged) | died
    steps = np.where(died, np.asarray(report["step"])[:count] + 1, train_report.step)
    return _rows(program, "train", steps, report["metrics"], written), now


def _eval_rows(program: Program, report: EvalReport, alive: np.ndarray) -> Rows:
    steps = np.broadcast_to(report.step, (len(alive),))
    return _rows(program, report.split, steps, report.metrics, alive)


def _rows(
    program: Program, split: str, steps: np.ndarray, metrics: Any, written: np.ndarray
) -> Rows:
    """One row per run where `written` is true."""
    count = len(program.seeds)
    values = {name: divide(*pair)[:count] for name, pair in metrics.items()}
    rows = []
    for i in np.flatnonzero(written):
        row = {"step": int(steps[i]), "seed": program.seeds[i], "split": split}
        row |= {name: _number(array[i]) for name, array in values.items()}
        rows.append((int(i), row))
    return rows


def divide(total: Any, count: Any) -> np.ndarray:
    """Sum over count as float32; NaN where the count is 0."""
    with np.errstate(all="ignore"):
        return np.asarray(total, np.float32) / np.asarray(count, np.float32)


def _number(value: np.float32) -> float | None:
    """The shortest decimal that reads back as this float32; None if not finite."""
    return float(str(value)) if np.isfinite(value) else None


def _means(rows: Rows) -> dict[str, float]:
    names = (rows[0][1].keys() if rows else set()) - {"step", "seed", "split"}
    values = {k: [r[k] for _, r in rows if r[k] is not None] for k in sorted(names)}
    return {k: float(np.mean(v)) for k, v in values.items() if v}
