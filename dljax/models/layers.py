"""Layers, with the forms that XLA:CPU compiles well.

GPU and TPU keep the plain operation; on CPU `conv` has a gradient of its own (the
kernel's gradient as one matrix product over patches: XLA:CPU has no fast path for that
convolution, and inside a loop it is up to 20 times slower) and the pools work on
reshaped blocks instead of `reduce_window`. Each is tested against the plain form,
values and gradients.
"""

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
    return plain_conv(x, kernel)


def _patches(x, kh, kw):
    """The kh x kw neighbourhood of every pixel: (b * h * w, kh * kw * channels)."""
    b, h, w, c = x.shape
    x = jnp.pad(
        x,
        (
            (0, 0),
            ((kh - 1) // 2, kh // 2),
            ((kw - 1) // 2, kw // 2),
            (0, 0),
        ),
    )
    shifted = [x[:, i : i + h, j : j + w] for i in range(kh) for j in range(kw)]
    return jnp.concatenate(shifted, -1).reshape(b * h * w, kh * kw * c)


def _conv_forward(x, kernel):
    return plain_conv(x, kernel), (x, kernel)


def _conv_backward(saved, g):
    x, kernel = saved
    kh, kw, _, features = kernel.shape
    if kh % 2 and kw % 2:
        flipped = jnp.flip(kernel, (0, 1)).transpose(0, 1, 3, 2)
        dx = plain_conv(g, flipped)
    else:  # an even kernel's "same" padding is one-sided
        dx = jax.linear_transpose(lambda x: plain_conv(x, kernel), x)(g)[0]
    dk = _patches(x, kh, kw).T @ g.reshape(-1, features)
    return dx, dk.reshape(kernel.shape)


_conv_cpu.defvjp(_conv_forward, _conv_backward)


def _blocks(x, n):
    b, h, w, c = x.shape
    return x[:, : h // n * n, : w // n * n].reshape(b, h // n, n, w // n, n, c)


def average_pool(x, n: int = 2):
    """Means of n x n blocks, (b, h, w, c) -> (b, h // n, w // n, c)."""
    return _blocks(x, n).mean((2, 4))


@jax.custom_jvp
def _max(blocks):
    return blocks.max((2, 4))


@_max.defjvp
def _max_jvp(primals, tangents):
    (blocks,), (dblocks,) = primals, tangents
    y = _max(blocks)
    chosen = (blocks == y[:, :, None, :, None]).astype(blocks.dtype)
    share = chosen / chosen.sum((2, 4), keepdims=True)
    return y, (share * dblocks).sum((2, 4))


def max_pool(x, n: int = 2):
    """Largest of n x n blocks, (b, h, w, c) -> (b, h // n, w // n, c).

    The gradient of a tie is shared equally.
    """
    return _max(_blocks(x, n))


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
            y += self.param("bias", nn.initializers.zeros, (self.features,))
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
