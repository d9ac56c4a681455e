"""All-convolutional nets: strided convolutions replace pooling, 1x1 replaces dense."""

import jax
from flax import linen as nn

from dljax.models.layers import Conv, Dropout
from dljax.models.net import net
from dljax.types import Net


class AllConv(nn.Module):
    """All-convolutional net: (b, h, w, c) -> (b, outputs); see `all_conv`."""

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
    """Builds an all-convolutional net: x (b, h, w, c) -> (b, outputs).

    Height and width are free. `all_conv((96, 192), 10)` is All-CNN-C, except that its
    last 3x3 convolution is padded and its input has no dropout.

    Args:
      channels: features of each stage; a stage is `repeats` convolutions of stride 1,
        then one of stride 2.
      outputs: number of outputs.
      repeats: convolutions of stride 1 per stage.
      dropout: rate after each stage; may be traced.

    Source: Springenberg, Dosovitskiy, Brox, Riedmiller 2015.
    """
    return net(AllConv(tuple(channels), outputs, repeats, dropout))
