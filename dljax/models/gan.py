"""Networks of a generative adversarial network: a generator and a critic of images."""

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
    """Builds a generator: z (b, k) -> images in [0, 1] (b, h, w, c).

    Args:
      shape: (h, w, c) of the images.
      channels: features before each transposed convolution, which doubles the side.
      norm: "batch" or "none".

    Raises:
      ValueError: another norm.

    Source: Radford, Metz, Chintala 2016 (DCGAN), with half the features.
    """
    if norm not in NORMS[:2]:
        raise ValueError(f"norm {norm}: must be one of {NORMS[:2]}")
    height, width, image_channels = shape
    size = (height, width, image_channels)
    return net(_Generator(ConvTransposeStack(size, tuple(channels), norm)))


def critic(channels: tuple[int, ...] = (32, 64), *, norm: str = "none") -> Net:
    """Builds a critic: images in [0, 1] (b, h, w, c) -> scores (b,).

    Args:
      channels: features of each convolution of stride 2.
      norm: "none", "batch", "layer", or "spectral", which divides the weights of a
        layer by their largest singular value (Miyato et al. 2018).

    Raises:
      ValueError: another norm.
    """
    if norm not in NORMS:
        raise ValueError(f"norm {norm}: must be one of {NORMS}")
    return net(_Critic(ConvStack(tuple(channels), 1, norm, leaky_relu)))
