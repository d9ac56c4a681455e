"""Nets of convolutions alone: strides in place of pools, 1x1 in place of dense."""

import jax
from flax import linen as nn

from dljax.models.layers import Conv, Dropout
from dljax.models.net import net
from dljax.types import Net


class AllConv(nn.Module):
    """(b, h, w, c) -> (b, outputs)."""

    channels: tuple[int, ...]
    outputs: int
    repeats: int = 2
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x_BHWC, *, train: bool = False):
        for features in self.channels:
            for _ in range(self.repeats):
                x_BHWC = jax.nn.relu(Conv(features)(x_BHWC))
            x_BHWC = jax.nn.relu(Conv(features, stride=2)(x_BHWC))
            x_BHWC = Dropout(self.dropout)(x_BHWC, train=train)
        for size in (3, 1):
            x_BHWC = jax.nn.relu(Conv(self.channels[-1], size)(x_BHWC))
        return Conv(self.outputs, 1)(x_BHWC).mean((1, 2))


def all_conv(
    channels: tuple[int, ...], outputs: int, *, repeats: int = 2, dropout: float = 0.0
) -> Net:
    """A net without pools and dense layers: x (b, h, w, c) -> (b, outputs).

    Any height and width. `all_conv((96, 192), 10)` is All-CNN-C, except that its last
    3x3 convolution is padded and its input has no dropout.

    Args:
      channels: features of each stage: `repeats` convolutions, and one of stride 2.
      dropout: share set to 0 after each stage.

    Source: Springenberg, Dosovitskiy, Brox, Riedmiller 2015.
    """
    return net(AllConv(tuple(channels), outputs, repeats, dropout))
