"""Gradients without autodiff: hand-derived, finite differences, feedback alignment.

`mlp_gradient` is for MLPs with ReLU (`models.mlp.mlp`), `finite_differences` for any
loss; both return a tree like the params. `with_gradient` turns a gradient into a loss
that the common training loop can minimize.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree


def with_gradient(value: jax.Array, params: Any, gradient: Any) -> jax.Array:
    """Returns a scalar equal to `value`, up to rounding, whose gradient is `gradient`.

    Args:
      value: the loss.
      params: the tree to differentiate with respect to.
      gradient: a tree like `params`.
    """
    pairs = zip(jax.tree.leaves(params), jax.tree.leaves(gradient), strict=True)
    linear = sum(jnp.vdot(p, jax.lax.stop_gradient(g)) for p, g in pairs)
    return jax.lax.stop_gradient(value - linear) + linear


def mlp_gradient(
    params: dict[str, Any],
    x: jax.Array,
    error: Callable[[jax.Array], jax.Array],
    feedback: dict[str, jax.Array] | None = None,
) -> dict[str, Any]:
    """Computes the gradient of an MLP with ReLU by a backward pass derived by hand.

    Layer l maps its inputs a to z = a W + b. With d the gradient with respect to z, the
    gradient with respect to W is a^T d, with respect to b the sum of d over examples,
    and d of the previous layer is (d W^T) * [z > 0].

    Args:
      params: {"Dense_l": {"kernel": (i, o), "bias": (o,)}}, l from 0.
      x: (b, ...), flattened.
      error: logits (b, k) -> gradient of the loss with respect to them (b, k).
      feedback: {"Dense_l": (i, o)}, fixed random matrices that replace W in the
        backward pass (feedback alignment, Lillicrap et al. 2016); or None.

    Returns:
      a tree like `params`.

    Source: Rumelhart, Hinton, Williams 1986.
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
        d = (d @ weights.T) * (a > 0)  # a > 0 where z > 0
    return gradient


def finite_differences(
    loss: Callable[[Any], jax.Array], params: Any, *, step: float = 1e-2
) -> Any:
    """Computes the gradient by central differences: 2 forward passes per weight.

    The error is of order step^2, plus rounding of order epsilon / step.

    Args:
      loss: params -> scalar.
      params: the tree to differentiate with respect to.
      step: the change of a weight to either side.
    """
    flat, restore = ravel_pytree(params)

    def partial_derivative(i):
        up, down = flat.at[i].add(step), flat.at[i].add(-step)
        return (loss(restore(up)) - loss(restore(down))) / (2 * step)

    return restore(
        jax.lax.map(partial_derivative, jnp.arange(len(flat)), batch_size=256)
    )
