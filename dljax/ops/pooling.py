"""Pooling over n x n windows, without `reduce_window`.

All backends use these forms: the gradients of strided slices and reshapes are
elementwise; that of `reduce_window` is a select-and-scatter.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def plain_max_pool(x_BHWC, n: int = 2):
    """Maximum over n x n windows: (b, h, w, c) -> (b, h // n, w // n, c)."""
    window = (1, n, n, 1)
    return lax.reduce_window(x_BHWC, -jnp.inf, lax.max, window, window, "VALID")


def max_pool(x_BHWC, n: int = 2):
    """`plain_max_pool`; among equal values the first gets the gradient."""
    return _max_pool(x_BHWC, n, x_BHWC.shape)


def average_pool(x_BHWC, n: int = 2):
    """Mean over n x n windows: (b, h, w, c) -> (b, h // n, w // n, c)."""
    b, h, w, c = x_BHWC.shape
    x_BHWC = x_BHWC[:, : h // n * n, : w // n * n]
    return x_BHWC.reshape(b, h // n, n, w // n, n, c).mean((2, 4))


def stride_pool(x_BHWC, n: int = 2):
    """Upper left pixel of n x n windows: (b, h, w, c) -> (b, h // n, w // n, c)."""
    h, w = x_BHWC.shape[1] // n * n, x_BHWC.shape[2] // n * n
    return x_BHWC[:, :h:n, :w:n]


def plain_max_pool_3d(x_BTHWC):
    """Maximum over 2x2x2 windows of (b, t, h, w, c), t >= 2."""
    window = (1, 2, 2, 2, 1)
    return lax.reduce_window(x_BTHWC, -jnp.inf, lax.max, window, window, "VALID")


def max_pool_3d(x_BTHWC):
    """`plain_max_pool_3d`; clips of one frame are pooled over space only."""
    b, t, h, w, c = x_BTHWC.shape
    x_BTHWC = max_pool(x_BTHWC.reshape(b * t, h, w, c))
    x_BTHWC = x_BTHWC.reshape(b, t, h // 2, w // 2, c)
    if t == 1:
        return x_BTHWC
    return jnp.maximum(x_BTHWC[:, : t // 2 * 2 : 2], x_BTHWC[:, 1::2])


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _max_pool(x, n, shape):
    return _max_forward(x, n, shape)[0]


def _max_forward(x, n, shape):
    del shape
    largest, *rest = _corners(x, n)
    argmax = jnp.zeros(largest.shape, x.dtype)  # in x's dtype: faster than integers
    for k, corner in enumerate(rest, 1):
        argmax = jnp.where(corner > largest, jnp.asarray(k, x.dtype), argmax)
        largest = jnp.maximum(corner, largest)
    return largest, argmax


def _max_backward(n, shape, argmax, g):
    b, h, w, c = g.shape
    corner = jnp.arange(n * n, dtype=argmax.dtype).reshape(1, 1, n, 1, n, 1)
    is_largest = argmax[:, :, None, :, None] == corner
    dx = jnp.where(is_largest, g[:, :, None, :, None], 0).reshape(b, h * n, w * n, c)
    return (jnp.pad(dx, [(0, a - d) for a, d in zip(shape, dx.shape, strict=True)]),)


_max_pool.defvjp(_max_forward, _max_backward)


def _corners(x, n):
    """The n * n pixels of each window, as n * n arrays (b, h // n, w // n, c)."""
    h, w = x.shape[1] // n * n, x.shape[2] // n * n
    return [x[:, i:h:n, j:w:n] for i in range(n) for j in range(n)]


POOLS: dict[str, Callable[..., Any]] = {
    "max": max_pool,
    "average": average_pool,
    "stride": stride_pool,
    "none": lambda x_BHWC, n=2: x_BHWC,
}
