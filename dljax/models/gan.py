"""Generative adversarial nets: a generator and a critic of images."""

from collections.abc import Sequence
from typing import Any

import jax
from flax import linen as nn

from dljax.models.conv_stacks import NORMS, ConvStack, ConvTransposeStack, leaky_relu
from dljax.models.net import net
from dljax.types import Net


class _Generator(nn.Module):
    up: ConvTransposeStack

    @nn.compact
    def __call__(self, z: Any, *, train: bool = False):
        return jax.nn.sigmoid(self.up(z, train=train))


class _Critic(nn.Module):
    down: ConvStack

    @nn.compact
    def __call__(self, x: Any, *, train: bool = False):
        return self.down(2 * x - 1, train=train)[:, 0]


def generator(
    shape: Sequence[int],
    channels: tuple[int, ...] = (64, 32),
    *,
    norm: str = "batch",
) -> Net:
    """z (b, k) -> images in [0, 1] (b, h, w, c), by transposed convolutions.

    Args:
      shape: height, width and channels of the images.
      channels: features before each transposed convolution, which doubles the side.
      norm: "batch" or "none".

    Source: Radford, Metz, Chintala 2016 (DCGAN), with half the features.

    Raises:
      ValueError: another norm.
    """
    if norm not in NORMS[:2]:
        raise ValueError(f"norm {norm}: must be one of {NORMS[:2]}")
    height, width, image_channels = shape
    size = (height, width, image_channels)
    return net(_Generator(ConvTransposeStack(size, tuple(channels), norm)))


def critic(channels: tuple[int, ...] = (32, 64), *, norm: str = "none") -> Net:
    """Images in [0, 1] (b, h, w, c) -> a score (b,), by convolutions.

    Args:
      channels: features of each convolution at a stride of 2.
      norm: "none", "batch", "layer", or "spectral", where a layer's weights are divided
        by their largest singular value (Miyato et al. 2018).

    Raises:
      ValueError: another norm.
    """
    if norm not in NORMS:
        raise ValueError(f"norm {norm}: must be one of {NORMS}")
    return net(_Critic(ConvStack(tuple(channels), 1, norm, leaky_relu)))
