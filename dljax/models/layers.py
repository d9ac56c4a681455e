"""Layers, with the forms that XLA:CPU compiles well.

GPU and TPU keep the plain operation. On CPU `conv` is a matrix product over patches,
and so is its kernel's gradient, over the same patches (XLA:CPU has no fast path for
that convolution; inside a loop it is up to 20 times slower). Pools work on strided
corners or reshaped blocks instead of `reduce_window`. Each is tested against the plain
form, values and gradients.
"""

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

LAYOUT = ("NHWC", "HWIO", "NHWC")


def plain_conv(x, kernel):
    """Convolution, stride 1, same size: (b, h, w, i) * (kh, kw, i, o)."""
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT)


def conv(x, kernel):
    """`plain_conv`, in the form that is fast on this backend."""
    return _conv_cpu(x, kernel) if _on_cpu() else plain_conv(x, kernel)


def _on_cpu():
    return jax.default_backend() == "cpu"


@jax.custom_vjp
def _conv_cpu(x, kernel):
    return _conv_forward(x, kernel)[0]


def _patches(x, kh, kw):
    """Every pixel's neighbourhood as matrices whose columns together are kh * kw * c.

    One matrix (b * h * w, kh * kw * c) where c is small; else for each of the kh rows
    one of (b * h * w, kw * c), which is cheaper to lay out: copies are longer.
    """
    b, h, w, c = x.shape
    rows, columns = ((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2)
    x = jnp.pad(x, ((0, 0), rows, columns, (0, 0)))
    if c < 8:
        shifted = [x[:, i : i + h, j : j + w] for i in range(kh) for j in range(kw)]
        return [jnp.concatenate(shifted, -1).reshape(b * h * w, kh * kw * c)]
    wide = jnp.concatenate([x[:, :, j : j + w] for j in range(kw)], -1)
    return [wide[:, i : i + h].reshape(b * h * w, kw * c) for i in range(kh)]


def _conv_forward(x, kernel):
    kh, kw, _, features = kernel.shape
    patches = _patches(x, kh, kw)
    kernels = kernel.reshape(len(patches), -1, features)
    y = sum(p @ k for p, k in zip(patches, kernels, strict=True))
    return y.reshape(*x.shape[:3], features), (patches, kernel)


def _conv_backward(saved, g):
    patches, kernel = saved
    kh, kw, inputs, features = kernel.shape
    if kh % 2 and kw % 2:
        dx = plain_conv(g, jnp.flip(kernel, (0, 1)).swapaxes(2, 3))
    else:  # an even kernel's "same" padding is one-sided
        x = jax.ShapeDtypeStruct((*g.shape[:3], inputs), g.dtype)
        dx = jax.linear_transpose(lambda x: plain_conv(x, kernel), x)(g)[0]
    flat = g.reshape(-1, features)
    return dx, jnp.stack([p.T @ flat for p in patches]).reshape(kernel.shape)


_conv_cpu.defvjp(_conv_forward, _conv_backward)


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


POOLS = {
    "max": max_pool,
    "average": average_pool,
    "stride": lambda x, n=2: x[:, : x.shape[1] // n * n : n, : x.shape[2] // n * n : n],
    "none": lambda x, n=2: x,
}


class Conv(nn.Module):
    """Convolution with bias, stride 1, same size: (b, h, w, i) -> (b, h, w, o)."""

    features: int
    size: int = 3
    bias: bool = True

    @nn.compact
    def __call__(self, x):
        kernel = self.param(
            "kernel",
            nn.initializers.he_normal(),
            (self.size, self.size, x.shape[-1], self.features),
        )
        y = conv(x, kernel.astype(x.dtype))
        if self.bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y += bias.astype(y.dtype).reshape(1, 1, 1, -1)
        return y


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
