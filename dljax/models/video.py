"""Nets for clips: convolution over time too, or the same net on every frame."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from dljax.models.cnn import Cnn
from dljax.models.conv import conv
from dljax.models.layers import max_pool
from dljax.models.net import net
from dljax.types import Net

ORDERS = ("free", "kept")


def plain_conv_3d(x, kernel):
    """Convolution, same size: (b, t, h, w, i) * (kt, kh, kw, i, o)."""
    layout = ("NTHWC", "THWIO", "NTHWC")
    return lax.conv_general_dilated(
        x, kernel, (1, 1, 1), "SAME", dimension_numbers=layout
    )


def conv_3d(x, kernel):
    """`plain_conv_3d`, in the form that is fast on this backend.

    On CPU one 2-D convolution of frames that have their neighbours as channels.
    """
    if jax.default_backend() != "cpu":
        return plain_conv_3d(x, kernel)
    b, t, h, w, _ = x.shape
    kt, kh, kw, _, features = kernel.shape
    x = jnp.pad(x, ((0, 0), ((kt - 1) // 2, kt // 2), (0, 0), (0, 0), (0, 0)))
    x = jnp.concatenate([x[:, i : i + t] for i in range(kt)], -1)
    kernel = kernel.transpose(1, 2, 0, 3, 4).reshape(kh, kw, -1, features)
    return conv(x.reshape(b * t, h, w, -1), kernel).reshape(b, t, h, w, features)


class Conv3d(nn.Module):
    """Convolution with bias, same size: (b, t, h, w, i) -> (b, t, h, w, o)."""

    features: int
    size: int = 3

    @nn.compact
    def __call__(self, x):
        shape = (self.size,) * 3 + (x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        y = conv_3d(x, kernel.astype(x.dtype))
        return y + bias.astype(y.dtype).reshape(1, 1, 1, 1, -1)


def pool_3d(x):
    """Largest of 2x2x2 blocks, (b, t, h, w, c); a single frame stays one."""
    b, t, *image = x.shape
    x = max_pool(x.reshape(b * t, *image)).reshape(b, t, *_halves(image))
    return x if t == 1 else jnp.maximum(x[:, : t // 2 * 2 : 2], x[:, 1::2])


def _halves(image):
    height, width, channels = image
    return height // 2, width // 2, channels


class Cnn3d(nn.Module):
    """(b, t, h, w, c) -> (b, outputs): [conv, ReLU, pool] * n, mean, dense, dense."""

    channels: tuple[int, ...]
    hidden: int
    outputs: int
    size: int = 3

    @nn.compact
    def __call__(self, x, *, train: bool = False):
        for features in self.channels:
            x = jax.nn.relu(pool_3d(Conv3d(features, self.size)(x)))
        x = x.mean((1, 2, 3))
        x = nn.Dense(self.hidden, kernel_init=nn.initializers.he_normal())(x)
        return nn.Dense(self.outputs)(jax.nn.relu(x))


def cnn_3d(
    channels: tuple[int, ...], hidden: int, outputs: int, *, size: int = 3
) -> Net:
    """Convolution over time, height and width: x (b, t, h, w, c) -> (b, outputs).

    Any number, height and width of frames of at least 2**len(channels) pixels a side.

    Args:
      channels: features of each convolution; every one is followed by 2x2x2 pooling.
      hidden: width of the fully connected layer before the output.
      size: side of the kernels, in frames and in pixels.

    Source: Tran, Bourdev, Fergus, Torresani, Paluri 2015.
    """
    return net(Cnn3d(tuple(channels), hidden, outputs, size))


class CnnFrames(nn.Module):
    """(b, t, h, w, c) -> (b, outputs): a CNN on every frame, then all of them."""

    channels: tuple[int, ...]
    hidden: int
    outputs: int
    order: str = "free"
    size: int = 3

    @nn.compact
    def __call__(self, x, *, train: bool = False):
        b, t, *image = x.shape
        frames = Cnn(self.channels, self.hidden, 0, self.size)
        x = frames(x.reshape(b * t, *image), train=train).reshape(b, t, -1)
        x = x.mean(1) if self.order == "free" else x.reshape(b, -1)
        return nn.Dense(self.outputs)(x)


def cnn_frames(
    channels: tuple[int, ...],
    hidden: int,
    outputs: int,
    *,
    order: str = "free",
    size: int = 3,
) -> Net:
    """The same CNN on every frame: x (b, t, h, w, c) -> (b, outputs).

    Args:
      channels, hidden, size: those of `cnn`, up to its fully connected layer.
      order: one of `ORDERS`. "free": the mean over time of each frame's values, which
        knows nothing of their order: of frames in another one only rounding differs.
        "kept": all frames' values beside each other.

    Raises:
      ValueError: an unknown order.

    Source: the single-frame and late-fusion nets of Karpathy et al. 2014.
    """
    if order not in ORDERS:
        raise ValueError(f"order {order}: must be one of {ORDERS}")
    return net(CnnFrames(tuple(channels), hidden, outputs, order, size))
