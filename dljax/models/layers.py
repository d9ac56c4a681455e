"""Linen layers: convolutions, dense, batch normalization, dropout."""

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from dljax.ops.conv import conv, conv_3d, conv_transpose
from dljax.ops.dense import dense_product

# Linen's Dense, with a matrix product that is fast on the current backend.
Dense = functools.partial(nn.Dense, dot_general=dense_product)


def _check_size(layer: str, size: Any) -> None:
    """Raises ValueError if a kernel's size is not an integer."""
    try:
        operator.index(size)
    except TypeError:
        raise ValueError(
            f"{layer}(size={size!r}): must be an integer, the length of each side of "
            "the kernel, as in size=3"
        ) from None


class Conv(nn.Module):
    """2-D convolution: (b, h, w, i) -> (b, ceil(h / stride), ceil(w / stride), o).

    Attributes:
      features: output features.
      size: height and width of the kernel.
      bias: whether a bias is added.
      stride: in both directions.
    """

    features: int
    size: int = 3
    bias: bool = True
    stride: int = 1

    def __post_init__(self):
        _check_size("Conv", self.size)
        super().__post_init__()

    @nn.compact
    def __call__(self, x_BHWC):
        shape = (self.size, self.size, x_BHWC.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        y_BHWC = conv(x_BHWC, kernel.astype(x_BHWC.dtype), self.stride)
        if self.bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y_BHWC += bias.astype(y_BHWC.dtype).reshape(1, 1, 1, -1)
        return y_BHWC


class ConvTranspose(nn.Module):
    """2-D transposed convolution: (b, h, w, i) -> (b, h * stride, w * stride, o).

    Attributes:
      features: output features.
      size: height and width of the kernel.
      bias: whether a bias is added.
      stride: in both directions.
    """

    features: int
    size: int = 4
    bias: bool = True
    stride: int = 2

    def __post_init__(self):
        _check_size("ConvTranspose", self.size)
        super().__post_init__()

    @nn.compact
    def __call__(self, x_BHWC):
        shape = (self.size, self.size, self.features, x_BHWC.shape[-1])
        # Each output pixel sums size^2 / stride^2 of the kernel's taps.
        initial = nn.initializers.variance_scaling(
            2.0 * self.stride**2, "fan_in", "truncated_normal", -1, -2
        )
        kernel = self.param("kernel", initial, shape)
        y_BHWC = conv_transpose(x_BHWC, kernel.astype(x_BHWC.dtype), self.stride)
        if self.bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y_BHWC += bias.astype(y_BHWC.dtype).reshape(1, 1, 1, -1)
        return y_BHWC


class Conv3d(nn.Module):
    """3-D convolution of stride 1 with a bias: (b, t, h, w, i) -> (b, t, h, w, o).

    Attributes:
      features: output features.
      size: frames, height and width of the kernel.
    """

    features: int
    size: int = 3

    def __post_init__(self):
        _check_size("Conv3d", self.size)
        super().__post_init__()

    @nn.compact
    def __call__(self, x_BTHWC):
        shape = (self.size,) * 3 + (x_BTHWC.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y_BTHWC = conv_3d(x_BTHWC, kernel.astype(x_BTHWC.dtype))
        return y_BTHWC + bias.astype(y_BTHWC.dtype).reshape(1, 1, 1, 1, -1)


class BatchNorm(nn.Module):
    """Normalizes each channel of (b, ..., c) by the mean and variance of the batch.

    Evaluation uses running averages that start at mean 0 and variance 1. Each training
    batch moves them by 1 - momentum towards its mean and unbiased variance, in float32.
    The unbiased variance is PyTorch's convention; Linen averages the biased variance.

    Source: Ioffe and Szegedy 2015.
    """

    momentum: float = 0.9
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x, *, train: bool):
        shape = (x.shape[-1],)
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        averages = {
            "mean": self.variable("batch_stats", "mean", jnp.zeros, shape),
            "var": self.variable("batch_stats", "var", jnp.ones, shape),
        }
        mean, var = averages["mean"].value, averages["var"].value
        if train:
            axes, wide = tuple(range(x.ndim - 1)), x.astype(jnp.float32)
            mean = wide.mean(axes)
            var = jnp.maximum((wide**2).mean(axes) - mean**2, 0)
            n = x.size // x.shape[-1]
            unbiased = {"mean": mean, "var": var * (n / max(n - 1, 1))}
            for name, new in unbiased.items():
                old = averages[name].value
                averages[name].value = self.momentum * old + (1 - self.momentum) * new
        factor = scale * lax.rsqrt(var + self.epsilon)
        offset = bias - mean * factor
        channels = (1,) * (x.ndim - 1) + shape
        y = x * factor.reshape(channels) + offset.reshape(channels)
        return y.astype(x.dtype)


class Dropout(nn.Module):
    """Sets each value to 0 with probability `rate`; scales the rest by 1 / (1 - rate).

    `rate` may be traced, for studies with a vmapped dropout rate; Linen's Dropout
    refuses a traced rate.

    Source: Srivastava et al. 2014.
    """

    rate: float | jax.Array

    @nn.compact
    def __call__(self, x, *, train: bool):
        if not train or (isinstance(self.rate, (int, float)) and self.rate == 0):
            return x
        keep = jax.random.uniform(self.make_rng("noise"), x.shape) >= self.rate
        return jnp.where(keep, x / (1 - self.rate), 0)
