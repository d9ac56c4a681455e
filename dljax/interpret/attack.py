"""Adversarial attacks: images near the real ones that maximize a net's loss.

Near is at most `epsilon` away in every pixel (the L-infinity ball), within [0, 1]. The
net is in `loss(images, labels)`, a closure over its parameters: a loss of each example
(b,), or their sum or mean, which differ by a factor that no sign sees. All numbers may
be traced. No gradient goes through an attack to the parameters, as training on attacks
wants it (Madry et al. 2018, appendix A).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Loss = Callable[[jax.Array, jax.Array], jax.Array]


def fgsm(loss: Loss, images: jax.Array, labels: jax.Array, *, epsilon: Any):
    """One step of size epsilon along the gradient's sign.

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
    """Steps along the gradient's sign from a random point, projected onto the ball.

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
