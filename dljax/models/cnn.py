"""Convolutional nets: convolution, activation and pooling, then a dense head."""

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
    """Convolutional net: (b, h, w, c) -> (b, outputs); see `cnn`."""

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
                x_BHWC = act(pool(x_BHWC))  # the same values at a quarter of the cost
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
    """Builds a LeNet-like convolutional net: x (b, h, w, c) -> (b, outputs).

    Args:
      channels: features of each convolution; each is followed by the activation and 2x2
        pooling.
      hidden: width of the dense layer before the output layer.
      outputs: number of outputs; 0 removes the output layer, so that the net returns
        (b, hidden) features.
      size: height and width of the kernels.
      activation: a key of `ACTIVATIONS`.
      pool: a key of `POOLS`.
      dropout: rate before the output layer; may be traced.
      head: "dense": the dense layer, which fixes the height and width of the images; or
        "average": global average pooling in its place.

    Raises:
      KeyError: an unknown activation or pool.
      ValueError: an unknown head.

    Source: LeCun, Bottou, Bengio, Haffner 1998, with ReLU and max pooling; Lin, Chen,
    Yan 2014 for global average pooling.
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
    """Counts the weights and biases of `cnn`, with 2x2 pooling and a dense head.

    Args:
      image: (h, w, c) of the images.
      channels, hidden, outputs, size: see `cnn`.
    """
    height, width, inputs = image
    total = 0
    for features in channels:
        total += (size * size * inputs + 1) * features
        height, width, inputs = height // 2, width // 2, features
    flat = math.prod((height, width, inputs))
    return total + mlp_parameters(flat, (hidden,), outputs)
