"""One run as pure functions: init, update (a fold over the turns), evaluate.

Nothing here knows of seeds beside it, of devices or of files.
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
from dljax.types import Batch, Metrics, Source, State, Task, fold


def init(task: Task, key: jax.Array) -> State:
    """The state before the first update."""
    params, model_state = task.init(fold(key, 0, types.INIT))
    players = {turn.name: turn for turn in reversed(task.turns)}
    opt = {
        name: optimizers.with_model_state(
            turn.optimizer.init(params[name]), model_state
        )
        for name, turn in players.items()
    }
    return State(jnp.int32(0), jnp.bool_(True), key, params, opt, model_state)


def update(task: Task, state: State, batch: Batch) -> tuple[State, Metrics]:
    """Plays every turn once: state and batch of a step -> next state, metrics.

    Metrics are those of the losses, and per player `loss`, `grad_norm` and
    `learning_rate`; in a game of several players each name begins with the player's. A
    state whose loss or gradient is not finite is frozen: it stays as it was before.
    """
    batches = _parts(batch, len(task.turns)) if task.split_batch else None
    params, opt, model_state = dict(state.params), dict(state.opt), state.model_state
    alive = state.alive
    logged: Metrics = {}
    for i, turn in enumerate(task.turns):
        key = fold(state.key, state.step, types.TURN + i)
        part = batches[i] if batches else batch

        def loss(mine, turn=turn, key=key, part=part, model_state=model_state):
            everyone = {**params, turn.name: mine}
            return turn.loss(everyone, model_state, part, key, state.step)

        mine = params[turn.name]
        (value, (metrics, new_model_state)), grads = jax.value_and_grad(
            loss, has_aux=True
        )(mine)
        metrics = {
            **metrics,
            "loss": (value, jnp.float32(1)),
            "grad_norm": (_norm(grads), jnp.float32(1)),
        }
        totals = jnp.stack([jnp.asarray(total) for total, _ in metrics.values()])
        alive &= jnp.isfinite(totals).all()

        optimizer = optax.with_extra_args_support(turn.optimizer)
        before = (mine, opt[turn.name], model_state)

        def moved(
            before=before,
            grads=grads,
            new_model_state=new_model_state,
            optimizer=optimizer,
        ):
            mine, opt, _ = before
            changes, opt = optimizer.update(
                grads, opt, mine, model_state=new_model_state
            )
            return optax.apply_updates(mine, changes), opt, new_model_state

        params[turn.name], opt[turn.name], model_state = update_where(
            alive, moved, before
        )
        rate = optimizers.learning_rate(opt[turn.name])
        if rate is not None:
            metrics["learning_rate"] = (rate, jnp.float32(1))
        if len(params) > 1:
            metrics = {f"{turn.name}_{name}": pair for name, pair in metrics.items()}
        _add(logged, metrics)
    if len(task.turns) > 1:  # a later turn may have failed after an earlier one moved
        now = (params, opt, model_state)
        start = (state.params, state.opt, state.model_state)
        params, opt, model_state = update_where(alive, lambda: now, start)
    step = state.step + alive.astype(jnp.int32)
    return State(step, alive, state.key, params, opt, model_state), logged


def _norm(tree: Any) -> jax.Array:
    # vdot is a library call on CPU; a sum of squares is a slow scalar loop there.
    return jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(tree)))


def _parts(batch: Batch, n: int) -> list[Batch]:
    size = len(jax.tree.leaves(batch)[0]) // n
    return [
        jax.tree.map(lambda leaf, i=i: leaf[i * size : (i + 1) * size], batch)
        for i in range(n)
    ]


def _add(total: Metrics, more: Metrics) -> None:
    for name, (value, count) in more.items():
        before = total.get(name, (0.0, 0.0))
        total[name] = (before[0] + value, before[1] + count)


def advance(
    task: Task,
    source: Source,
    state: State,
    orders: Any,
    arrays: Any,
    offset: Any,
    steps: Any,
    *,
    batch_size: int,
) -> tuple[State, Metrics]:
    """`steps` updates in one compiled loop.

    Args:
      orders: int32 (epochs, n), the permutations of a block of epochs.
      offset: how many steps of the block are done.
      steps: how many to do; traced, so that one program serves every number.
      batch_size: examples a step; what is left of an epoch is not used in it.

    Returns:
      the state, and the metrics of the last update.
    """
    per_epoch = orders.shape[1] // batch_size

    @_traced_once
    def one(state, rows, arrays):
        return update(task, state, source.gather(arrays, rows))

    def body(i, carry):
        now, metrics = carry
        start = ((offset + i) // per_epoch, (offset + i) % per_epoch * batch_size)
        rows = jax.lax.dynamic_slice(orders, start, (1, batch_size))[0]
        new, fresh = one(now, rows, arrays)
        # A frozen run's metrics stay those that froze it.
        fresh = jax.tree.map(lambda a, b: jnp.where(now.alive, a, b), fresh, metrics)
        return new, fresh

    _, shapes = jax.eval_shape(one, state, orders[0, :batch_size], arrays)
    return jax.lax.fori_loop(0, steps, body, (state, _zeros(shapes)))


def _traced_once(function: Any) -> Any:
    """The same, written out where it is called, but traced in Python only once."""
    return jax.jit(function, inline=True)


def _zeros(shapes: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)


def orders(source: Source, key: jax.Array, rows: Any, first: Any, epochs: int) -> Any:
    """The permutations of `rows` (n,) for epochs `first` and on: int32 (epochs, n)."""

    def one(epoch):
        return source.order(fold(key, epoch, types.ORDER), rows)

    return jax.lax.map(one, first + jnp.arange(epochs))


def averages(task: Task, state: State) -> tuple[dict[str, Any], Any]:
    """The (params, model_state) that evaluation and sampling use: averages where
    kept.
    """
    params, model_state = dict(state.params), state.model_state
    for turn in task.turns:
        averaged = turn.averaged or optimizers.averaged
        if (pair := averaged(state.opt[turn.name])) is not None:
            params[turn.name], model_state = pair
    return params, model_state


def evaluate(
    task: Task,
    source: Source,
    state: State,
    rows: Any,
    arrays: Any,
    *,
    probe: bool = False,
) -> Metrics:
    """Metrics over the examples `rows`, int32 (batches, size), where -1 is padding.

    Every example counts exactly once. With `probe` the task's probes are measured too.
    """
    params, model_state = averages(task, state)

    @_traced_once
    def one(i, now, state, params, model_state, arrays):
        batch = source.gather(arrays, jnp.maximum(now, 0))
        batch["weight"] = (now >= 0).astype(jnp.float32)
        key = jax.random.fold_in(fold(state.key, state.step, types.EVALUATE), i)
        found = task.metrics(params, model_state, batch, key)
        if probe and task.probe:
            own = jax.random.fold_in(key, types.TURN)
            found = {**found, **task.probe(params, model_state, batch, own)}
        return found

    def add(i, total):
        now = jax.lax.dynamic_index_in_dim(rows, i, keepdims=False)
        return jax.tree.map(jnp.add, total, one(i, now, *fixed))

    fixed = (state, params, model_state, arrays)
    empty = _zeros(jax.eval_shape(one, 0, rows[0], *fixed))
    return jax.lax.fori_loop(0, len(rows), add, empty)


def batches(rows: Sequence[np.ndarray], size: int, multiple: int) -> np.ndarray:
    """Rows of unequal length as int32 (s, batches, size), padded with -1.

    `size` shrinks to what the longest needs, and is a multiple of `multiple`.
    """
    longest = max(len(r) for r in rows)
    count = -(-longest // size)
    size = -(-longest // (count * multiple)) * multiple
    return (
        np.stack(
            [np.pad(r, (0, count * size - len(r)), constant_values=-1) for r in rows]
        )
        .astype(np.int32)
        .reshape(len(rows), count, size)
    )


def sample(task: Task, source: Source, state: State, rows: Any, arrays: Any) -> Batch:
    """What the report shows of the examples `rows`: the batch and the task's sample."""
    params, model_state = averages(task, state)
    batch = source.gather(arrays, rows)
    shown = dict(batch)
    if task.sample is not None:
        key = fold(state.key, state.step, types.SAMPLE)
        shown |= task.sample(params, model_state, batch, key)
    return shown
