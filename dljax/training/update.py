"""One run as pure functions: init, update (a fold over the turns), evaluate.

These functions are independent of devices, files and other runs.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dljax import types
from dljax.ops.backend_forms import update_where
from dljax.training import optimizers
from dljax.types import Batch, Metrics, Source, State, Task, Turn, fold


def init(task: Task, key: jax.Array) -> State:
    """Returns the state before the first update."""
    params, model_state = task.init(fold(key, 0, types.INIT))
    players = {turn.name: turn for turn in reversed(task.turns)}
    opt = {
        name: optimizers.init_ema_model_state(
            turn.optimizer.init(params[name]), model_state
        )
        for name, turn in players.items()
    }
    return State(jnp.int32(0), jnp.bool_(True), key, params, opt, model_state)


def update(task: Task, state: State, batch: Batch) -> tuple[State, Metrics]:
    """Plays every turn once.

    A state with a loss, metric or gradient that is not finite is frozen: it keeps its
    values from before the update.

    Args:
      task: the objective.
      state: the state of one run.
      batch: the step's batch.

    Returns:
      the next state; the losses' metrics and, per player, `loss`, `grad_norm` and
      `learning_rate`. With several players each name is prefixed by `PLAYER_`.
    """
    turns = len(task.turns)
    batches = _split_batch(batch, turns) if task.split_batch else [batch] * turns
    metrics: Metrics = {}
    now = state
    for i, (turn, turn_batch) in enumerate(zip(task.turns, batches, strict=True)):
        key = fold(state.key, state.step, types.TURN + i)
        now, turn_metrics = _play(turn, now, turn_batch, key)
        if len(state.params) > 1:
            turn_metrics = {f"{turn.name}_{k}": v for k, v in turn_metrics.items()}
        _add(metrics, turn_metrics)
    params, opt, model_state = now.params, now.opt, now.model_state
    if turns > 1:  # a later turn may fail after an earlier one changed the state
        new = (params, opt, model_state)
        old = (state.params, state.opt, state.model_state)
        params, opt, model_state = update_where(now.alive, lambda: new, old)
    step = state.step + now.alive.astype(jnp.int32)
    return State(step, now.alive, state.key, params, opt, model_state), metrics


def _play(
    turn: Turn, state: State, batch: Batch, key: jax.Array
) -> tuple[State, Metrics]:
    """Plays one turn: a gradient and an optimizer update of one player's params."""

    def loss(params):
        all_params = {**state.params, turn.name: params}
        return turn.loss(all_params, state.model_state, batch, key, state.step)

    params = state.params[turn.name]
    (value, (metrics, model_state)), grads = jax.value_and_grad(loss, has_aux=True)(
        params
    )
    metrics = {
        **metrics,
        "loss": (value, jnp.float32(1)),
        "grad_norm": (_norm(grads), jnp.float32(1)),
    }
    totals = jnp.stack([jnp.asarray(total) for total, _ in metrics.values()])
    alive = state.alive & jnp.isfinite(totals).all()

    optimizer = optax.with_extra_args_support(turn.optimizer)
    old = (params, state.opt[turn.name], state.model_state)

    def apply():
        updates, opt_state = optimizer.update(
            grads, old[1], params, model_state=model_state
        )
        return optax.apply_updates(params, updates), opt_state, model_state

    params, opt_state, model_state = update_where(alive, apply, old)
    rate = optimizers.learning_rate(opt_state)
    if rate is not None:
        metrics["learning_rate"] = (rate, jnp.float32(1))
    state = state._replace(
        alive=alive,
        params={**state.params, turn.name: params},
        opt={**state.opt, turn.name: opt_state},
        model_state=model_state,
    )
    return state, metrics


def _norm(tree: Any) -> jax.Array:
    # On CPU vdot is a library call, a sum of squares a slow scalar loop.
    return jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(tree)))


def _split_batch(batch: Batch, parts: int) -> list[Batch]:
    size = len(jax.tree.leaves(batch)[0]) // parts
    return [
        jax.tree.map(lambda leaf, i=i: leaf[i * size : (i + 1) * size], batch)
        for i in range(parts)
    ]


def _add(total: Metrics, more: Metrics) -> None:
    for name, (value, count) in more.items():
        old_value, old_count = total.get(name, (0.0, 0.0))
        total[name] = (old_value + value, old_count + count)


def train_steps(
    task: Task,
    source: Source,
    state: State,
    permutations: Any,
    arrays: Any,
    offset: Any,
    num_steps: Any,
    *,
    batch_size: int,
) -> tuple[State, Metrics]:
    """Does `num_steps` updates in one compiled loop.

    Args:
      task, source: of the run.
      state: the state of one run.
      permutations: int32 (epochs, n), of the training examples.
      arrays: the source's arrays.
      offset: number of updates already done with these permutations.
      num_steps: number of updates; traced, so that one program serves every number.
      batch_size: examples per step; the last, smaller batch of an epoch is dropped.

    Returns:
      the state, and the metrics of the last update.
    """
    steps_per_epoch = permutations.shape[1] // batch_size

    @_trace_once
    def step(state, rows, arrays):
        return update(task, state, source.gather(arrays, rows))

    def body(i, carry):
        state, metrics = carry
        epoch, index = (offset + i) // steps_per_epoch, (offset + i) % steps_per_epoch
        start = (epoch, index * batch_size)
        rows = jax.lax.dynamic_slice(permutations, start, (1, batch_size))[0]
        new_state, new_metrics = step(state, rows, arrays)
        # A frozen run keeps the metrics of the step that froze it.
        metrics = jax.tree.map(
            lambda new, old: jnp.where(state.alive, new, old), new_metrics, metrics
        )
        return new_state, metrics

    _, shapes = jax.eval_shape(step, state, permutations[0, :batch_size], arrays)
    return jax.lax.fori_loop(0, num_steps, body, (state, _zeros(shapes)))


def _trace_once(function: Any) -> Any:
    """Makes JAX trace `function` once and inline it at each call."""
    return jax.jit(function, inline=True)


def _zeros(shapes: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def permutations(
    source: Source, key: jax.Array, rows: Any, first_epoch: Any, num_epochs: int
) -> Any:
    """Permutations of `rows` (n,), one per epoch: int32 (num_epochs, n)."""

    def permute(epoch):
        return source.order(fold(key, epoch, types.ORDER), rows)

    return jax.lax.map(permute, first_epoch + jnp.arange(num_epochs))


def eval_params(task: Task, state: State) -> tuple[dict[str, Any], Any]:
    """Returns the (params, model_state) for evaluation and sampling.

    They are moving averages for players whose optimizer has a `params_ema`.
    """
    params, model_state = dict(state.params), state.model_state
    for turn in task.turns:
        ema = optimizers.ema_params(state.opt[turn.name])
        if ema is not None:
            params[turn.name], model_state = ema
    return params, model_state


def evaluate(
    task: Task,
    source: Source,
    state: State,
    rows: Any,
    arrays: Any,
    *,
    final_metrics: bool = False,
) -> Metrics:
    """Metrics over the examples `rows`; every example counts exactly once.

    Args:
      task, source: of the run.
      state: the state of one run.
      rows: int32 (batches, size), where -1 is padding.
      arrays: the source's arrays.
      final_metrics: also computes `Task.final_metrics`.

    Returns:
      {name: (sum, count)}.
    """
    params, model_state = eval_params(task, state)

    @_trace_once
    def batch_metrics(i, batch_rows, state, params, model_state, arrays):
        batch = source.gather(arrays, jnp.maximum(batch_rows, 0))
        batch["weight"] = (batch_rows >= 0).astype(jnp.float32)
        key = jax.random.fold_in(fold(state.key, state.step, types.EVALUATE), i)
        metrics = task.metrics(params, model_state, batch, key)
        if final_metrics and task.final_metrics:
            key = jax.random.fold_in(key, types.TURN)
            metrics = {**metrics, **task.final_metrics(params, model_state, batch, key)}
        return metrics

    def add(i, total):
        batch_rows = jax.lax.dynamic_index_in_dim(rows, i, keepdims=False)
        return jax.tree.map(jnp.add, total, batch_metrics(i, batch_rows, *constants))

    constants = (state, params, model_state, arrays)
    zeros = _zeros(jax.eval_shape(batch_metrics, 0, rows[0], *constants))
    return jax.lax.fori_loop(0, len(rows), add, zeros)


def batches(rows: Sequence[np.ndarray], size: int, multiple: int) -> np.ndarray:
    """Packs rows of unequal length into int32 (s, batches, size), padded with -1.

    Args:
      rows: s arrays of example indices.
      size: the largest batch size; reduced to the smallest one with the same number of
        batches.
      multiple: the batch size is a multiple of this number.
    """
    max_len = max(len(r) for r in rows)
    count = -(-max_len // size)
    size = -(-max_len // (count * multiple)) * multiple
    return (
        np.stack(
            [np.pad(r, (0, count * size - len(r)), constant_values=-1) for r in rows]
        )
        .astype(np.int32)
        .reshape(len(rows), count, size)
    )


def sample(task: Task, source: Source, state: State, rows: Any, arrays: Any) -> Batch:
    """The batch of the examples `rows`, and the task's samples for it."""
    params, model_state = eval_params(task, state)
    batch = source.gather(arrays, rows)
    samples = dict(batch)
    if task.sample is not None:
        key = fold(state.key, state.step, types.SAMPLE)
        samples |= task.sample(params, model_state, batch, key)
    return samples
