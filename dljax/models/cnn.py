"""Convolutional nets: convolution, activation, pooling, fully connected."""

import math
from collections.abc import Sequence

from flax import linen as nn

from dljax.models.layers import Conv, Dropout
from dljax.models.mlp import ACTIVATIONS, mlp_parameters
from dljax.models.net import net
from dljax.ops.pooling import POOLS
from dljax.types import Net

MONOTONE = ("identity", "step", "sigmoid", "tanh", "relu")


HEADS = ("dense", "average")


class Cnn(nn.Module):
    """(b, h, w, c) -> (b, outputs): [conv, activation, pool] * n, and the head."""

    channels: tuple[int, ...]
    hidden: int
    outputs: int
    size: int = 3
    activation: str = "relu"
    pool: str = "max"
    dropout: float = 0.0
    head: str = "dense"

    @nn.compact
    def __call__(self, x_BHWC, *, train: bool = False):
        act = ACTIVATIONS[self.activation]
        pool = POOLS[self.pool]
        for features in self.channels:
            x_BHWC = Conv(features, self.size)(x_BHWC)
            if self.pool == "max" and self.activation in MONOTONE:
                x_BHWC = act(pool(x_BHWC))  # the same values, a quarter of the work
            else:
                x_BHWC = pool(act(x_BHWC))
        if self.head == "average":
            x = x_BHWC.mean((1, 2))
        else:
            x = x_BHWC.reshape(x_BHWC.shape[0], -1)
            x = act(nn.Dense(self.hidden, kernel_init=nn.initializers.he_normal())(x))
        x = Dropout(self.dropout)(x, train=train)
        return nn.Dense(self.outputs)(x) if self.outputs else x


def cnn(
    channels: tuple[int, ...],
    hidden: int,
    outputs: int,
    *,
    size: int = 3,
    activation: str = "relu",
    pool: str = "max",
    dropout: float = 0.0,
    head: str = "dense",
) -> Net:
    """A net of the LeNet kind: x (b, h, w, c) -> (b, outputs).

    Args:
      channels: features of each convolution; every one is followed by 2x2 pooling.
      hidden: width of the fully connected layer before the output.
      outputs: 0 for no output layer: the features before it.
      size: height and width of the kernels.
      activation, pool: keys of `ACTIVATIONS` and `POOLS`.
      head: one of `HEADS`: "dense", the fully connected layer, which fixes the height
        and width of the images; or "average", the mean over all pixels.

    Source: LeCun, Bottou, Bengio, Haffner 1998, with ReLU and max pooling; Lin, Chen,
    Yan 2014 for the mean.

    Raises:
      KeyError: an unknown activation or pool. ValueError: an unknown head.
    """
    ACTIVATIONS[activation], POOLS[pool]
    if head not in HEADS:
        raise ValueError(f"head {head}: must be one of {HEADS}")
    module = Cnn(
        tuple(channels), hidden, outputs, size, activation, pool, dropout, head
    )
    return net(module)


def cnn_parameters(
    image: Sequence[int],
    channels: tuple[int, ...],
    hidden: int,
    outputs: int,
    *,
    size: int = 3,
) -> int:
    """The number of weights and biases of `cnn` on images (h, w, c), pooled by 2."""
    height, width, inputs = image
    total = 0
    for features in channels:
        total += (size * size * inputs + 1) * features
        height, width, inputs = height // 2, width // 2, features
    flat = math.prod((height, width, inputs))
    return total + mlp_parameters(flat, (hidden,), outputs)
