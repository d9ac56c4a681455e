"""Pools, softmax, dense layers, normalisation, dropout, as XLA:CPU compiles them well.

Pools work on strided corners or reshaped blocks instead of `reduce_window`, tested
against it, values and gradients. Convolution has a file of its own.
"""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax


def _blocks(x, n):
    b, h, w, c = x.shape
    return x[:, : h // n * n, : w // n * n].reshape(b, h // n, n, w // n, n, c)


def average_pool(x, n: int = 2):
    """Means of n x n blocks, (b, h, w, c) -> (b, h // n, w // n, c)."""
    return _blocks(x, n).mean((2, 4))


def _corners(x, n):
    """The n * n places of every block, each as (b, h // n, w // n, c)."""
    h, w = x.shape[1] // n * n, x.shape[2] // n * n
    return [x[:, i:h:n, j:w:n] for i in range(n) for j in range(n)]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _max_pool(x, n, shape):
    return _max_forward(x, n, shape)[0]


def _max_forward(x, n, shape):
    del shape
    largest, *rest = _corners(x, n)
    place = jnp.zeros(largest.shape, x.dtype)  # small integers, as wide as x: faster
    for k, corner in enumerate(rest, 1):
        place = jnp.where(corner > largest, jnp.asarray(k, x.dtype), place)
        largest = jnp.maximum(corner, largest)
    return largest, place


def _max_backward(n, shape, place, g):
    b, h, w, c = g.shape
    corner = jnp.arange(n * n, dtype=place.dtype).reshape(1, 1, n, 1, n, 1)
    chosen = place[:, :, None, :, None] == corner
    dx = jnp.where(chosen, g[:, :, None, :, None], 0).reshape(b, h * n, w * n, c)
    return (jnp.pad(dx, [(0, a - d) for a, d in zip(shape, dx.shape, strict=True)]),)


_max_pool.defvjp(_max_forward, _max_backward)


def max_pool(x, n: int = 2):
    """Largest of n x n blocks, (b, h, w, c) -> (b, h // n, w // n, c).

    Of equal values the first gets the gradient.
    """
    return _max_pool(x, n, x.shape)


@jax.custom_vjp
def softmax(x):
    """Shares over the last axis, computed once.

    XLA:CPU computes the exponentials again for the gradient, among other operations,
    and to other last bits in a program of many devices than in one of a single one.
    """
    return jax.nn.softmax(x)


def _softmax_forward(x):
    shares = lax.optimization_barrier(jax.nn.softmax(x))
    return shares, shares


def _softmax_backward(shares, g):
    return (shares * (g - (shares * g).sum(-1, keepdims=True)),)


softmax.defvjp(_softmax_forward, _softmax_backward)


def by_rows(x, kernel, dimensions, precision=None):
    """Products (..., k) of x (..., n) and a kernel (n, k), for Linen's Dense.

    With one axis of examples and places, XLA:CPU needs no transposed copy for the
    kernel's gradient.
    """
    del dimensions  # those of x and kernel, as they are
    rows = x.reshape(-1, x.shape[-1])
    y = lax.dot(rows, kernel, precision=precision)
    return y.reshape(*x.shape[:-1], kernel.shape[-1])


# Linen's, for sequences too.
Dense = functools.partial(nn.Dense, dot_general=by_rows)


POOLS = {
    "max": max_pool,
    "average": average_pool,
    "stride": lambda x, n=2: x[:, : x.shape[1] // n * n : n, : x.shape[2] // n * n : n],
    "none": lambda x, n=2: x,
}


class BatchNorm(nn.Module):
    """Normalises every channel of (b, ..., c) by the batch's mean and variance.

    What evaluation uses, mean 0 and variance 1 at first, moves a tenth of the way at
    each training batch, in float32, towards its mean and unbiased variance: PyTorch's
    convention (Linen keeps the biased variance). Source: Ioffe and Szegedy 2015.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x, *, train: bool):
        shape = (x.shape[-1],)
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        kept = {
            "mean": self.variable("batch_stats", "mean", jnp.zeros, shape),
            "var": self.variable("batch_stats", "var", jnp.ones, shape),
        }
        mean, var = kept["mean"].value, kept["var"].value
        if train:
            axes, wide = tuple(range(x.ndim - 1)), x.astype(jnp.float32)
            mean = wide.mean(axes)
            var = jnp.maximum((wide**2).mean(axes) - mean**2, 0)
            n = x.size // x.shape[-1]
            unbiased = {"mean": mean, "var": var * (n / max(n - 1, 1))}
            for name, value in unbiased.items():
                old = kept[name].value
                kept[name].value = self.momentum * old + (1 - self.momentum) * value
        factor = scale * lax.rsqrt(var + self.epsilon)
        moved = bias - mean * factor
        channels = (1,) * (x.ndim - 1) + shape
        return (x * factor.reshape(channels) + moved.reshape(channels)).astype(x.dtype)


class Dropout(nn.Module):
    """Sets a share `rate` of the values to 0 and scales the rest by 1 / (1 - rate).

    `rate` may be a traced number, as it is when it is an array axis of a study (Linen's
    own Dropout refuses that). Source: Srivastava et al. 2014.
    """

    rate: float | jax.Array

    @nn.compact
    def __call__(self, x, *, train: bool):
        if not train or (isinstance(self.rate, (int, float)) and self.rate == 0):
            return x
        keep = jax.random.uniform(self.make_rng("noise"), x.shape) >= self.rate
        return jnp.where(keep, x / (1 - self.rate), 0)
