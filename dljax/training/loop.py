"""The training loop, shared by all model families; it trains all seeds of a trial.

At every boundary (a row to log, an evaluation, the end of a shuffle, a save, a stop)
the order is fixed:

  1. the updates up to the next boundary are dispatched;
  2. the report of the boundary before is read, and its rows are written;
  3. where due, the new state is evaluated on validation data, and replaces the stored
     best state of each run whose score improved;
  4. where due, all pending rows are written, and the state is saved;
  5. where requested, the loop stops, having saved.

So the device computes while the host reads, and no step waits for the host. The
placement of boundaries changes no bit: the number of steps is a traced argument.
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

DISPATCH_SECS = 0.5  # of updates in one dispatch at most; bounds the time to stop


class Best(NamedTuple):
    """Each run's best state by a validation metric.

    score: float32 (s,), larger is better; -inf before the first finite one.
    """

    score: Any
    state: State


class TrainState(NamedTuple):
    """The state of all runs, and their best states where a metric selects them.

    All that the loop continues from, and all that a checkpoint holds.
    """

    state: State
    best: Best | None

    @property
    def selected(self) -> State:
        """The state that is evaluated on test data: the best, or else the last."""
        return self.state if self.best is None else self.best.state


class Hooks(NamedTuple):
    """Callbacks of the loop; by default none does anything.

    write(rows): rows are (index of the run, row of metrics.jsonl without the variant).
    save(step, train_state): called with all earlier rows written.
    save_due(): whether it is time to save.
    stop(): whether a stop was requested.
    progress(step, {name: mean over runs}): called at each logged step.
    """

    write: Callable[[Iterable[tuple[int, dict]]], None] = lambda rows: None
    save: Callable[[int, TrainState], None] = lambda step, train_state: None
    save_due: Callable[[], bool] = lambda: False
    stop: Callable[[], bool] = lambda: False
    progress: Callable[[int, dict[str, float]], None] = lambda step, metrics: None


NO_HOOKS = Hooks()


class Outcome(NamedTuple):
    """step: the last one done. train_secs: updates and evaluation, not compilation."""

    step: int
    train_state: TrainState
    stopped: bool
    compile_secs: float
    train_secs: float
    save_secs: float


class TrainReport(NamedTuple):
    """`Program.train_steps`'s report at a step; logged: whether it becomes rows."""

    step: int
    report: Any
    logged: bool


class EvalReport(NamedTuple):
    """Metrics of a split. step: one int for all runs, or int (s,), one per run."""

    split: str
    step: Any
    metrics: Any


def init_train_state(program: Program, best_by: tuple[str, bool] | None) -> TrainState:
    """The state before the first update; `best_by` as in `train`."""
    state = program.init()
    if best_by is None:
        return TrainState(state, None)
    worst = jnp.full(state.step.shape, -jnp.inf, jnp.float32)
    return TrainState(state, Best(jax.device_put(worst, state.step.sharding), state))


def warm_up(
    program: Program, train_state: TrainState, *, test: bool = True
) -> tuple[TrainState, np.ndarray]:
    """Compiles what the loop calls, without an update.

    Returns:
      the state, and bool (s,), which runs are alive.
    """
    if train_state.best is not None:  # a copy: `train_steps` uses up the state
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
    """Trains from `step` to `steps`; rows are logged where step is a multiple.

    The last step is always logged, evaluated on "valid" and, where `test`, on "test",
    and saved. With best_by=(metric, higher is better) the test is of each run's state
    that was best on "valid", and the row's step is that state's.

    Raises:
      UserError: `best_by`'s or a required metric is not one of the task's.
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
        if last:  # shown before the test, which may take long
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
    """The better of `best` and `state`, run by run; never a non-finite one."""
    total, count = metric
    score = (total / count) * (1 if higher else -1)
    wins = jnp.isfinite(score) & (score > best.score) & state.alive

    def pick(new, old):
        return jnp.where(wins.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return Best(pick(score, best.score), jax.tree.map(pick, state, best.state))


def _test(program: Program, train_state: TrainState, step: int) -> EvalReport:
    """The final metrics: of the test split, and as train_NAME of `train_eval`."""
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
                f"the task measures {', '.join(names)}, and not {metric}{hint}",
            )


class _Reports:
    """Reports that the device may still compute, and the rows made of them.

    A class, because it holds which runs are alive and the rate of updates.
    """

    def __init__(self, program: Program, hooks: Hooks, alive: np.ndarray, step: int):
        self.steps_per_sec = 0.0  # at the last report that was read
        self._program, self._hooks = program, hooks
        self._alive = alive
        self._pending: list[TrainReport | EvalReport] = []
        self._read_step, self._read_at = step, time.perf_counter()

    def add(self, report: TrainReport | EvalReport) -> None:
        """Adds a report to the pending ones; does not wait for the device."""
        self._pending.append(report)

    def write(self) -> None:
        """Waits for all pending reports, and writes their rows."""
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
    """Rows of the runs that are alive, where logged, or have just failed; and the
    updated `alive` mask.
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
    """A row of each run where `written` is true."""
    count = len(program.seeds)
    values = {name: divide(*pair)[:count] for name, pair in metrics.items()}
    rows = []
    for i in np.flatnonzero(written):
        row = {"step": int(steps[i]), "seed": program.seeds[i], "split": split}
        row |= {name: _number(array[i]) for name, array in values.items()}
        rows.append((int(i), row))
    return rows


def divide(total: Any, count: Any) -> np.ndarray:
    """Sum over count, as float32; nan where nothing was counted."""
    with np.errstate(all="ignore"):
        return np.asarray(total, np.float32) / np.asarray(count, np.float32)


def _number(value: np.float32) -> float | None:
    """The shortest decimal that reads back as this float32; null if not finite."""
    return float(str(value)) if np.isfinite(value) else None


def _means(rows: Rows) -> dict[str, float]:
    names = (rows[0][1].keys() if rows else set()) - {"step", "seed", "split"}
    values = {k: [r[k] for _, r in rows if r[k] is not None] for k in sorted(names)}
    return {k: float(np.mean(v)) for k, v in values.items() if v}
