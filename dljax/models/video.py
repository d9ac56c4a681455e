"""Nets for video clips: 3-D convolution, or the same 2-D net on each frame."""

import jax
from flax import linen as nn

from dljax.models.cnn import Cnn
from dljax.models.layers import Conv3d
from dljax.models.net import net
from dljax.ops.pooling import max_pool_3d
from dljax.types import Net

FUSIONS = ("mean", "concatenate")


class Cnn3d(nn.Module):
    """3-D convolutional net: (b, t, h, w, c) -> (b, outputs); see `cnn_3d`."""

    channels: tuple[int, ...]
    hidden: int
    outputs: int
    size: int = 3

    @nn.compact
    def __call__(self, x_BTHWC, *, train: bool = False):
        for features in self.channels:
            layer = Conv3d(features, self.size)
            x_BTHWC = jax.nn.relu(max_pool_3d(layer(x_BTHWC)))
        x = x_BTHWC.mean((1, 2, 3))
        x = nn.Dense(self.hidden, kernel_init=nn.initializers.he_normal())(x)
        return nn.Dense(self.outputs)(jax.nn.relu(x))


def cnn_3d(
    channels: tuple[int, ...], hidden: int, outputs: int, *, size: int = 3
) -> Net:
    """Builds a 3-D convolutional net: x (b, t, h, w, c) -> (b, outputs).

    The number of frames is free; height and width must be at least 2**len(channels).

    Args:
      channels: features of each convolution; each is followed by 2x2x2 max pooling.
      hidden: width of the dense layer before the output layer.
      outputs: number of outputs.
      size: side of the kernels, in frames and in pixels.

    Source: Tran, Bourdev, Fergus, Torresani, Paluri 2015.
    """
    return net(Cnn3d(tuple(channels), hidden, outputs, size))


class CnnFrames(nn.Module):
    """2-D net on each frame: (b, t, h, w, c) -> (b, outputs); see `cnn_frames`."""

    channels: tuple[int, ...]
    hidden: int
    outputs: int
    fusion: str = "mean"
    size: int = 3

    @nn.compact
    def __call__(self, x_BTHWC, *, train: bool = False):
        b, t, *image = x_BTHWC.shape
        cnn = Cnn(self.channels, self.hidden, 0, self.size)
        x = cnn(x_BTHWC.reshape(b * t, *image), train=train).reshape(b, t, -1)
        x = x.mean(1) if self.fusion == "mean" else x.reshape(b, -1)
        return nn.Dense(self.outputs)(x)


def cnn_frames(
    channels: tuple[int, ...],
    hidden: int,
    outputs: int,
    *,
    fusion: str = "mean",
    size: int = 3,
) -> Net:
    """Builds a net with the same CNN on each frame: (b, t, h, w, c) -> (b, outputs).

    Args:
      channels, hidden, size: see `cnn`, up to its dense layer.
      outputs: number of outputs.
      fusion: "mean": averages the frames' features over time, which ignores the order
        of frames up to rounding; "concatenate": concatenates them, which fixes the
        number of frames.

    Raises:
      ValueError: an unknown fusion.

    Source: the single-frame and late-fusion nets of Karpathy et al. 2014.
    """
    if fusion not in FUSIONS:
        raise ValueError(f"fusion {fusion}: must be one of {FUSIONS}")
    return net(CnnFrames(tuple(channels), hidden, outputs, fusion, size))
