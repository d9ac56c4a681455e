"""Down to a vector and up to an image by strides: what autoencoders and GANs share."""

import math
from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn

from dljax.models.layers import BatchNorm, Conv, ConvTranspose

NORMS = ("none", "batch", "layer", "spectral")
SLOPE = 0.2  # of LeakyReLU below 0, as DCGAN has it


def _normed(norm: str, layer: nn.Module, train: bool, x: Any) -> Any:
    """layer(x), normalised: what it gives, or by "spectral" its weights."""
    if norm == "spectral":
        return nn.SpectralNorm(layer)(x, update_stats=train)
    x = layer(x)
    if norm == "batch":
        return BatchNorm()(x, train=train)
    if norm == "layer":
        return nn.GroupNorm(num_groups=1)(x)
    return x


class Down(nn.Module):
    """(b, h, w, c) -> (b, outputs): [convolution at a stride of 2, norm, activation],
    once for each of `channels`, then fully connected.

    The first convolution, which sees the image, has no batch or layer norm.
    """

    channels: tuple[int, ...]
    outputs: int
    norm: str = "none"
    activation: Callable[[Any], Any] = nn.relu

    @nn.compact
    def __call__(self, x, *, train: bool = False):
        for i, features in enumerate(self.channels):
            norm = self.norm if i or self.norm == "spectral" else "none"
            x = self.activation(_normed(norm, Conv(features, 4, stride=2), train, x))
        x = x.reshape(len(x), -1)
        norm = "spectral" if self.norm == "spectral" else "none"
        return _normed(norm, nn.Dense(self.outputs), train, x)


class Up(nn.Module):
    """(b, k) -> (b, h, w, c): fully connected, then [norm, ReLU, transposed convolution
    at a stride of 2], once for each of `channels`. What is too much at the lower and
    right edge is cut off.
    """

    shape: tuple[int, int, int]
    channels: tuple[int, ...]
    norm: str = "none"

    @nn.compact
    def __call__(self, z, *, train: bool = False):
        height, width, colours = self.shape
        first, *rest = self.channels
        least = 2 ** len(self.channels)
        start = (math.ceil(height / least), math.ceil(width / least), first)
        x = nn.Dense(math.prod(start))(z).reshape(len(z), *start)
        for features in (*rest, colours):
            if self.norm == "batch":
                x = BatchNorm()(x, train=train)
            x = ConvTranspose(features)(nn.relu(x))
        return x[:, :height, :width]


def leaky(x: Any) -> Any:
    """LeakyReLU."""
    return jax.nn.leaky_relu(x, SLOPE)
