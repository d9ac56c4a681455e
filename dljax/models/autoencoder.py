"""Autoencoders: an encoder from images to codes, and a decoder from codes to images."""

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
    """The two nets of an autoencoder.

    Attributes:
      encode: images (b, h, w, c) -> (b, codes * code).
      decode: codes (b, code) -> logits or values (b, h, w, c).
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
    """Builds the encoder and the decoder of an autoencoder.

    Args:
      kind: "linear"; "dense", with hidden layers; or "conv", with convolutions of
        stride 2 in the encoder and transposed convolutions in the decoder.
      shape: (h, w, c) of the images.
      code: size of a code.
      hidden: hidden widths of the encoder of kind "dense"; reversed in the decoder.
      channels: features of the encoder's convolutions of kind "conv"; reversed in the
        decoder.
      codes: number of code vectors that the encoder returns, side by side; 2 for the
        mean and the log variance of a variational autoencoder.

    Raises:
      ValueError: an unknown kind.

    Source: Hinton and Salakhutdinov 2006; Kingma and Welling 2014.
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
