"""Gradients by other means than autodiff: credit assignment to each weight.

`mlp_gradient` is of an MLP of ReLUs (`models.mlp.mlp`), `finite_differences` of any
loss; both give a tree like its params. `with_gradient` makes a loss that has such a
tree as its gradient, so that the one update trains by it.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree


def with_gradient(value: jax.Array, params: Any, gradient: Any) -> jax.Array:
    """A scalar equal to `value`, up to rounding, whose gradient is `gradient`."""
    pairs = zip(jax.tree.leaves(params), jax.tree.leaves(gradient), strict=True)
    linear = sum(jnp.vdot(p, jax.lax.stop_gradient(g)) for p, g in pairs)
    return jax.lax.stop_gradient(value - linear) + linear


def mlp_gradient(
    params: dict[str, Any],
    x: jax.Array,
    error: Callable[[jax.Array], jax.Array],
    feedback: dict[str, jax.Array] | None = None,
) -> dict[str, Any]:
    """The gradient by the backward pass, derived by hand (Rumelhart et al. 1986).

    With a the inputs of layer l, z = a W + b its sums and d the loss by z:
    by W: a^T d; by b: the sum of d; and d of the layer before: (d W^T) * [z > 0].

    Args:
      params: {"Dense_l": {"kernel": (i, o), "bias": (o,)}}, l from 0.
      x: (b, ...), flattened.
      error: logits (b, k) -> the loss by each of them (b, k).
      feedback: {"Dense_l": (i, o)} in the place of W on the way back: feedback
        alignment, where they are fixed and random (Lillicrap et al. 2016).
    """
    layers = sorted(params, key=lambda name: int(name.rpartition("_")[2]))
    inputs, a = [], x.reshape(len(x), -1)
    for layer in layers:
        inputs.append(a)
        z = a @ params[layer]["kernel"] + params[layer]["bias"].reshape(1, -1)
        a = jnp.maximum(z, 0)
    d, gradient = error(z), {}
    for layer, a in zip(reversed(layers), reversed(inputs), strict=True):
        gradient[layer] = {"kernel": a.T @ d, "bias": d.sum(0)}
        weights = params[layer]["kernel"] if feedback is None else feedback[layer]
        d = (d @ weights.T) * (a > 0)  # a > 0 where its z was
    return gradient


def finite_differences(
    loss: Callable[[Any], jax.Array], params: Any, *, step: float = 1e-2
) -> Any:
    """Central differences, one weight at a time: 2 forward passes for each.

    The error is of the order of step^2 and of the rounding over step.
    """
    flat, restore = ravel_pytree(params)

    def partial_derivative(i):
        up, down = flat.at[i].add(step), flat.at[i].add(-step)
        return (loss(restore(up)) - loss(restore(down))) / (2 * step)

    return restore(
        jax.lax.map(partial_derivative, jnp.arange(len(flat)), batch_size=256)
    )
