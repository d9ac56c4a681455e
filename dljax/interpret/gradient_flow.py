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
    """Gradient norms of the last loss with respect to the state at each step.

    Args:
      cell: the recurrent cell.
      weights: the parameters of a `models.cell.RecurrentLayer`.
      x: inputs (t, b, features).
      loss: outputs of the last step (b, hidden) -> loss of each example (b,).

    Returns:
      norms (t, b); row i is the Euclidean norm of the gradient with respect to all
      states of the cell after step i.

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
