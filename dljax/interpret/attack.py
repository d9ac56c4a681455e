"""Adversarial attacks: images near the real ones that maximize a net's loss.

Attacked images differ by at most `epsilon` in each pixel (the L-infinity ball) and stay
in [0, 1]. `loss(images, labels)` closes over the net's parameters and returns the loss
of each example (b,), or their sum or mean, which have gradients of the same sign. All
numbers may be traced. No gradient flows through an attack to the parameters, as
adversarial training requires (Madry et al. 2018, appendix A).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Loss = Callable[[jax.Array, jax.Array], jax.Array]


def fgsm(loss: Loss, images: jax.Array, labels: jax.Array, *, epsilon: Any):
    """Fast gradient sign method: one step of size epsilon along the gradient's sign.

    Args:
      loss: (images, labels) -> loss.
      images: (b, h, w, c) in [0, 1].
      labels: int (b,).
      epsilon: largest change of a pixel.

    Source: Goodfellow et al. 2015, section 4.
    """
    return jnp.clip(images + epsilon * _gradient_sign(loss, images, labels), 0, 1)


def pgd(
    key: jax.Array,
    loss: Loss,
    images: jax.Array,
    labels: jax.Array,
    *,
    epsilon: Any,
    steps: Any,
    step_size: Any,
) -> jax.Array:
    """Projected gradient descent: signed steps from a random point in the ball.

    Args:
      key: for the random start.
      loss, images, labels, epsilon: see `fgsm`.
      steps: number of steps.
      step_size: change of a pixel per step, before the projection onto the ball.

    Source: Madry et al. 2018, section 2.1.
    """
    low, high = jnp.maximum(images - epsilon, 0), jnp.minimum(images + epsilon, 1)
    draw = jax.random.uniform(key, images.shape, images.dtype, -1)

    def step(_, x):
        return jnp.clip(x + step_size * _gradient_sign(loss, x, labels), low, high)

    start = jnp.clip(images + epsilon * draw, low, high)
    return jax.lax.fori_loop(0, steps, step, start)


def _gradient_sign(loss, images, labels):
    gradient = jax.grad(lambda x: loss(x, labels).sum())(images)
    return jax.lax.stop_gradient(jnp.sign(gradient))
