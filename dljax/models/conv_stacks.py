"""Stacks of strided convolutions, down to a vector and up to an image."""

import math
from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn

from dljax.models.layers import BatchNorm, Conv, ConvTranspose

NORMS = ("none", "batch", "layer", "spectral")
NEGATIVE_SLOPE = 0.2  # of LeakyReLU, as in DCGAN


def _normalized(norm: str, layer: nn.Module, train: bool, x: Any) -> Any:
    """layer(x) with its outputs normalised, or by "spectral" its weights."""
    if norm == "spectral":
        return nn.SpectralNorm(layer)(x, update_stats=train)
    x = layer(x)
    if norm == "batch":
        return BatchNorm()(x, train=train)
    if norm == "layer":
        return nn.GroupNorm(num_groups=1)(x)
    return x


class ConvStack(nn.Module):
    """(b, h, w, c) -> (b, outputs): [convolution at a stride of 2, norm, activation],
    once for each of `channels`, then fully connected.

    The first convolution has no batch or layer norm.
    """

    channels: tuple[int, ...]
    outputs: int
    norm: str = "none"
    activation: Callable[[Any], Any] = nn.relu

    @nn.compact
    def __call__(self, x_BHWC, *, train: bool = False):
        for i, features in enumerate(self.channels):
            norm = self.norm if i or self.norm == "spectral" else "none"
            layer = Conv(features, 4, stride=2)
            x_BHWC = self.activation(_normalized(norm, layer, train, x_BHWC))
        x = x_BHWC.reshape(len(x_BHWC), -1)
        norm = "spectral" if self.norm == "spectral" else "none"
        return _normalized(norm, nn.Dense(self.outputs), train, x)


class ConvTransposeStack(nn.Module):
    """(b, k) -> (b, h, w, c): fully connected, then [norm, ReLU, transposed convolution
    at a stride of 2], once for each of `channels`. The lower and right edge are cut off
    at `shape`.
    """

    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    norm: str = "none"

    @nn.compact
    def __call__(self, z, *, train: bool = False):
        height, width, image_channels = self.shape
        first, *rest = self.channels
        factor = 2 ** len(self.channels)
        size = (math.ceil(height / factor), math.ceil(width / factor), first)
        x_BHWC = nn.Dense(math.prod(size))(z).reshape(len(z), *size)
        for features in (*rest, image_channels):
            if self.norm == "batch":
                x_BHWC = BatchNorm()(x_BHWC, train=train)
            x_BHWC = ConvTranspose(features)(nn.relu(x_BHWC))
        return x_BHWC[:, :height, :width]


def leaky_relu(x: Any) -> Any:
    """LeakyReLU with the slope of DCGAN."""
    return jax.nn.leaky_relu(x, NEGATIVE_SLOPE)
