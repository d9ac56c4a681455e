"""Gradient flow through time: vanishing and exploding gradients."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from dljax.models.cell import Cell, unroll


def gradient_norms_through_time(
    cell: Cell,
    weights: dict[str, jax.Array],
    x: jax.Array,
    loss: Callable[[jax.Array], jax.Array],
) -> jax.Array:
    """Norms of the gradient of the last step's loss by the memory after each step.

    Args:
      cell, weights: as `cell.unroll` takes them; the parameters of a `cell.RecurrentLayer`.
      x: (t, b, features).
      loss: the outputs of the last step (b, hidden) -> the loss of each example (b,).

    Returns:
      (t, b): by all states of the cell after each step; the last row is of the last
      step itself.

    Source: Bengio, Simard, Frasconi 1994; Pascanu, Mikolov, Bengio 2013.
    """
    steps, batch, _ = x.shape
    hidden = weights["recurrent_kernel"].shape[0]
    begin = (jnp.zeros((batch, hidden), x.dtype),) * cell.num_states
    zeros = (jnp.zeros((steps, batch, hidden), x.dtype),) * cell.num_states

    def total(offsets):
        _, last = unroll(cell, weights, x, begin, offsets=offsets)
        return loss(last[0]).sum()

    return jnp.sqrt(sum((part**2).sum(-1) for part in jax.grad(total)(zeros)))
