"""Locates the first non-finite value of the step that froze a run.

The state of a frozen run is its last finite one, and every batch is a pure function of
(key, step). The step can therefore be replayed with the outputs of all modules
recorded.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dljax.models.net import record_outputs
from dljax.training import update
from dljax.types import ORDER, Source, State, Task, Turn, fold


def take_run(states: State, index: int) -> State:
    """Selects the state of one run from host states with a leading run axis."""
    state = jax.tree.map(lambda leaf: leaf[index], states)
    return state._replace(key=jax.random.wrap_key_data(jnp.asarray(state.key)))


def locate(
    task: Task, source: Source, state: State, rows: Any, *, batch_size: int
) -> str:
    """Replays the step after `state` and names the first non-finite output.

    Args:
      task, source: of the run.
      state: the state of one run, frozen or not.
      rows: int32 (n,), the run's training examples.
      batch_size: examples per step.

    Returns:
      one sentence that names a batch array, a module, a loss or a gradient.
    """
    batch = _batch(source, state, np.asarray(rows, np.int32), batch_size)
    for name, values in batch.items():
        if not _finite(values):
            return f"the batch's {name!r} is not finite"
    names: list[str] = []
    bad: set[int] = set()

    def record(name: str, values: Any) -> None:
        index = len(names)
        names.append(name)
        jax.debug.callback(
            lambda finite: None if finite else bad.add(index), _finite(values)
        )

    recorded = task._replace(
        turns=tuple(_record_outputs(turn, record) for turn in task.turns)
    )
    replay = jax.jit(lambda state, batch: update.update(recorded, state, batch))
    after, _ = replay(state._replace(alive=jnp.bool_(True)), batch)
    jax.effects_barrier()
    if bad:
        return f"the first non-finite output is that of {names[min(bad)]}"
    if after.alive:
        return "the step replays as finite; compare the manifests of the trials"
    return "all outputs and the loss are finite; a gradient is not"


def _record_outputs(turn: Turn, record: Any) -> Turn:
    """The turn with all its modules' outputs recorded, then its loss."""

    def loss(params, model_state, batch, key, step):
        with record_outputs(lambda path, output: record(f"{turn.name}/{path}", output)):
            value, (metrics, model_state) = turn.loss(
                params, model_state, batch, key, step
            )
        record(f"the loss of {turn.name}", (value, metrics))
        return value, (metrics, model_state)

    return turn._replace(loss=loss)


def _batch(source: Source, state: State, rows: np.ndarray, size: int) -> Any:
    """The batch of the step after `state`."""
    epoch, index = divmod(int(state.step), len(rows) // size)
    permutation = source.order(fold(state.key, epoch, ORDER), jnp.asarray(rows))
    batch_rows = jax.lax.dynamic_slice_in_dim(permutation, index * size, size)
    return source.gather(source.arrays, batch_rows)


def _finite(values: Any) -> jax.Array:
    leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(values)]
    floats = [x for x in leaves if jnp.issubdtype(x.dtype, jnp.inexact)]
    return jnp.all(jnp.array([jnp.isfinite(x).all() for x in floats]))
