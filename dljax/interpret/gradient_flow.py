"""How much of a gradient comes back through time."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from dljax.models.cell import Cell, unroll


def through_time(
    cell: Cell,
    weights: dict[str, jax.Array],
    x: jax.Array,
    loss: Callable[[jax.Array], jax.Array],
) -> jax.Array:
    """Norms of the gradient of a loss at the end, with respect to the memory before.

    Args:
      cell, weights: as `cell.unroll` takes them; the parameters of a `cell.Layer`.
      x: (t, b, features).
      loss: the outputs of the last step (b, hidden) -> (b,), each of its own example.

    Returns:
      (t, b): with respect to all of the memory after each step; the last is of the
      end itself.

    Source: Bengio, Simard, Frasconi 1994; Pascanu, Mikolov, Bengio 2013.
    """
    steps, batch, _ = x.shape
    hidden = weights["memory"].shape[0]
    begin = (jnp.zeros((batch, hidden), x.dtype),) * cell.num_states
    zeros = (jnp.zeros((steps, batch, hidden), x.dtype),) * cell.num_states

    def total(offsets):
        _, last = unroll(cell, weights, x, begin, offsets=offsets)
        return loss(last[0]).sum()

    return jnp.sqrt(sum((part**2).sum(-1) for part in jax.grad(total)(zeros)))
