"""Residual nets: every block adds what it computes to what it was given."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from dljax.models.layers import BatchNorm, Conv
from dljax.models.net import net
from dljax.types import Net

NORMS = ("batch", "none")


class Block(nn.Module):
    """(b, h, w, i) -> (b, ceil(h / stride), ceil(w / stride), features)."""

    features: int
    stride: int
    norm: str

    @nn.compact
    def __call__(self, x, *, train: bool):
        y = jax.nn.relu(_normed(x, self.features, self.stride, self.norm, train))
        y = _normed(y, self.features, 1, self.norm, train)
        x = x[:, :: self.stride, :: self.stride]
        more = self.features - x.shape[-1]
        x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), (more // 2, more - more // 2)))
        return jax.nn.relu(x + y)


def _normed(x, features, stride, norm, train):
    """Convolution, and the normalisation that makes its bias superfluous."""
    x = Conv(features, bias=norm == "none", stride=stride)(x)
    return x if norm == "none" else BatchNorm()(x, train=train)


class Resnet(nn.Module):
    """(b, h, w, c) -> (b, outputs): three stages of blocks, then the mean of places."""

    blocks: int
    outputs: int
    width: int = 16
    norm: str = "batch"

    @nn.compact
    def __call__(self, x, *, train: bool = False):
        x = jax.nn.relu(_normed(x, self.width, 1, self.norm, train))
        for stage in range(3):
            for i in range(self.blocks):
                stride = 2 if stage and i == 0 else 1
                x = Block(self.width * 2**stage, stride, self.norm)(x, train=train)
        return nn.Dense(self.outputs)(x.mean((1, 2)))


def resnet(depth: int, outputs: int, *, width: int = 16, norm: str = "batch") -> Net:
    """The residual net for small images: x (b, h, w, c) -> (b, outputs).

    Any height and width. Shortcuts have no parameters: where a block halves the image
    they take every second pixel and pad the channels with zeros (option A).

    Args:
      depth: layers with weights, 6n + 2: 8, 20, 32, 44, 56, 110.
      width: features of the first stage; twice and four times as many in the next.
      norm: one of `NORMS`: BatchNorm after every convolution, or none and a bias.

    Source: He, Zhang, Ren, Sun 2016, section 4.2.

    Raises:
      ValueError: a depth that is not 6n + 2 of n >= 1, or an unknown norm.
    """
    blocks, rest = divmod(depth - 2, 6)
    if rest or blocks < 1:
        raise ValueError(f"depth {depth}: must be 6n+2, as 8, 20, 32, 44, 56, 110")
    if norm not in NORMS:
        raise ValueError(f"norm {norm}: must be one of {NORMS}")
    return net(Resnet(blocks, outputs, width, norm))
