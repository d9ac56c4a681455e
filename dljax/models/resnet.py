"""Residual nets for small images."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from dljax.models.layers import BatchNorm, Conv
from dljax.models.net import net
from dljax.types import Net

NORMS = ("batch", "none")


class Block(nn.Module):
    """Residual block: (b, h, w, i) -> (b, ceil(h / stride), ceil(w / stride), o)."""

    features: int
    stride: int
    norm: str

    @nn.compact
    def __call__(self, x_BHWC, *, train: bool):
        y_BHWC = _conv_norm(x_BHWC, self.features, self.stride, self.norm, train)
        y_BHWC = _conv_norm(jax.nn.relu(y_BHWC), self.features, 1, self.norm, train)
        x_BHWC = x_BHWC[:, :: self.stride, :: self.stride]
        new = self.features - x_BHWC.shape[-1]
        padding = ((0, 0), (0, 0), (0, 0), (new // 2, new - new // 2))
        return jax.nn.relu(jnp.pad(x_BHWC, padding) + y_BHWC)


def _conv_norm(x_BHWC, features, stride, norm, train):
    """Applies a convolution, without a bias if BatchNorm follows, and BatchNorm."""
    x_BHWC = Conv(features, bias=norm == "none", stride=stride)(x_BHWC)
    return x_BHWC if norm == "none" else BatchNorm()(x_BHWC, train=train)


class Resnet(nn.Module):
    """Residual net: (b, h, w, c) -> (b, outputs); see `resnet`."""

    blocks: int
    outputs: int
    width: int = 16
    norm: str = "batch"

    @nn.compact
    def __call__(self, x_BHWC, *, train: bool = False):
        x_BHWC = jax.nn.relu(_conv_norm(x_BHWC, self.width, 1, self.norm, train))
        for stage in range(3):
            for i in range(self.blocks):
                stride = 2 if stage and i == 0 else 1
                block = Block(self.width * 2**stage, stride, self.norm)
                x_BHWC = block(x_BHWC, train=train)
        return nn.Dense(self.outputs)(x_BHWC.mean((1, 2)))


def resnet(depth: int, outputs: int, *, width: int = 16, norm: str = "batch") -> Net:
    """Builds a residual net for small images: x (b, h, w, c) -> (b, outputs).

    Height and width are free. Shortcuts have no parameters: where a block halves the
    image, the shortcut takes every second pixel and pads the channels with zeros
    (option A).

    Args:
      depth: number of layers with weights, 6n + 2: 8, 20, 32, 44, 56, 110.
      outputs: number of outputs.
      width: features of the first stage; the second and third have 2 and 4 times as
        many.
      norm: "batch": BatchNorm after each convolution; "none": a bias instead.

    Raises:
      ValueError: a depth other than 6n + 2 with n >= 1, or an unknown norm.

    Source: He, Zhang, Ren, Sun 2016, section 4.2.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(f"depth {depth}: must be 6n+2: 8, 20, 32, 44, 56 or 110")
    if norm not in NORMS:
        raise ValueError(f"norm {norm}: must be one of {NORMS}")
    return net(Resnet(blocks, outputs, width, norm))
