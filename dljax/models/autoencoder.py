"""Autoencoders: an encoder from images to codes, and a decoder back."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from flax import linen as nn

from dljax.models.conv_stacks import ConvStack, ConvTransposeStack
from dljax.models.mlp import Mlp, mlp
from dljax.models.net import net
from dljax.types import Net

KINDS = ("linear", "dense", "conv")


class Autoencoder(NamedTuple):
    """encode: images (b, h, w, c) -> (b, codes * code). decode: (b, code) -> logits or
    values (b, h, w, c).
    """

    encode: Net
    decode: Net


class _DenseDecoder(nn.Module):
    hidden: tuple[int, ...]
    shape: tuple[int, int, int]

    @nn.compact
    def __call__(self, z: Any, *, train: bool = False):
        y = Mlp(self.hidden, math.prod(self.shape))(z, train=train)
        return y.reshape(len(z), *self.shape)


def autoencoder(
    kind: str,
    shape: Sequence[int],
    code: int,
    *,
    hidden: tuple[int, ...] = (500,),
    channels: tuple[int, ...] = (32, 64),
    codes: int = 1,
) -> Autoencoder:
    """The two nets of an autoencoder of images of a shape (h, w, c).

    Args:
      kind: "linear"; "dense", with hidden layers of widths `hidden`, reversed in the
        decoder; or "conv", with convolutions at a stride of 2 and features `channels`,
        transposed and reversed in the decoder.
      code: size of a code.
      codes: vectors of that size that the encoder returns; 2 for the mean and the log
        variance of a variational autoencoder.

    Source: Hinton and Salakhutdinov 2006; Kingma and Welling 2014.

    Raises:
      ValueError: an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"kind {kind}: must be one of {KINDS}")
    height, width, image_channels = shape
    size = (height, width, image_channels)
    if kind == "conv":
        down = ConvStack(tuple(channels), codes * code)
        up = ConvTransposeStack(size, tuple(channels[::-1]))
        return Autoencoder(net(down), net(up))
    hidden = () if kind == "linear" else tuple(hidden)
    decoder = _DenseDecoder(hidden[::-1], size)
    return Autoencoder(mlp(hidden, codes * code), net(decoder))
