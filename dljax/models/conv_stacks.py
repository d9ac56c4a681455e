"""Stacks of strided convolutions, from images to vectors and from vectors to images."""

import math
from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn

from dljax.models.layers import BatchNorm, Conv, ConvTranspose

NORMS = ("none", "batch", "layer", "spectral")
NEGATIVE_SLOPE = 0.2  # of LeakyReLU in DCGAN


def _normalized(norm: str, layer: nn.Module, train: bool, x: Any) -> Any:
    """Applies a layer with its outputs, or for "spectral" its weights, normalized."""
    if norm == "spectral":
        return nn.SpectralNorm(layer)(x, update_stats=train)
    x = layer(x)
    if norm == "batch":
        return BatchNorm()(x, train=train)
    if norm == "layer":
        return nn.GroupNorm(num_groups=1)(x)
    return x


class ConvStack(nn.Module):
    """Convolutions, then a dense layer: (b, h, w, c) -> (b, outputs).

    The first convolution has no batch or layer normalization, as in DCGAN.

    Attributes:
      channels: features of each convolution of stride 2, followed by norm and
        activation.
      outputs: width of the dense layer.
      norm: one of `NORMS`.
      activation: after each convolution.
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
    """A dense layer, then transposed convolutions: (b, k) -> (b, h, w, c).

    Attributes:
      shape: (h, w, c) of the images; a larger output is cropped at the lower and right
        edge.
      channels: features before each transposed convolution of stride 2, which follows
        norm and ReLU.
      norm: "batch" or "none".
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
    """Applies LeakyReLU with the negative slope of DCGAN, 0.2."""
    return jax.nn.leaky_relu(x, NEGATIVE_SLOPE)
