"""Networks that denoise images: a U-Net, and a Transformer of squares (DiT)."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from dljax.errors import UserError
from dljax.models.attention import Attention, sinusoids
from dljax.models.block import Stack
from dljax.models.layers import Conv, Dense, Dropout
from dljax.models.net import net
from dljax.models.transformer import extract_patches
from dljax.types import Net

GROUPS = 8  # of channels, that are normalised together
TIMES = 1000.0  # what a share of the noising becomes, for its sinusoids


class Condition(nn.Module):
    """{"t": (b,) from 0 to 1, "label": int32 (b,)} -> (b, width); a label of `classes`
    is none.
    """

    width: int
    classes: int

    @nn.compact
    def __call__(self, given: Any):
        x = nn.silu(nn.Dense(self.width)(sinusoids(TIMES * given["t"], self.width)))
        x = nn.Dense(self.width)(x)
        if self.classes:
            # Of numbers as large as the time's, or it is long before labels are heard.
            first = nn.initializers.normal(1.0)
            label = nn.Embed(
                self.classes + 1, self.width, embedding_init=first, name="label"
            )
            x += label(given["label"])
        return x


class ResidualBlock(nn.Module):
    """Twice normalised, activated and convolved, the condition added in between; and
    the sum with what it was given.
    """

    features: int
    dropout: float

    @nn.compact
    def __call__(self, x: Any, condition: Any, *, train: bool):
        y = Conv(self.features)(nn.silu(_norm()(x)))
        y += nn.Dense(self.features)(nn.silu(condition))[:, None, None]
        y = Dropout(self.dropout)(nn.silu(_norm()(y)), train=train)
        y = Conv(self.features)(y)
        if x.shape[-1] != self.features:
            x = Conv(self.features, 1)(x)
        return x + y


def _norm():
    return nn.GroupNorm(GROUPS, epsilon=1e-5)


class Unet(nn.Module):
    """See `unet`."""

    channels: tuple[int, ...]
    classes: int
    heads: int
    dropout: float

    @nn.compact
    def __call__(self, given: Any, *, train: bool = False):
        first, last = self.channels[0], self.channels[-1]
        condition = Condition(4 * first, self.classes)(given)
        x = Conv(first)(given["x"])
        kept = []
        for i, features in enumerate(self.channels):
            x = Conv(features, stride=2)(x) if i else x
            x = ResidualBlock(features, self.dropout)(x, condition, train=train)
            kept.append(x)
        places = x.reshape(len(x), -1, last)
        look = Attention(last, self.heads, bias=False)
        seen, _ = look(nn.LayerNorm(epsilon=1e-5)(places))
        x = (places + seen).reshape(x.shape)
        x = ResidualBlock(last, self.dropout)(x, condition, train=train)
        for i, features in reversed(list(enumerate(self.channels))):
            if i < len(self.channels) - 1:
                size = kept[i].shape[1:3]
                x = Conv(features)(x.repeat(2, 1).repeat(2, 2)[:, : size[0], : size[1]])
            x = jnp.concatenate([x, kept[i]], -1)
            x = ResidualBlock(features, self.dropout)(x, condition, train=train)
        x = nn.silu(_norm()(x))
        return Conv(given["x"].shape[-1])(x)


def unet(
    channels: tuple[int, ...] = (32, 64),
    *,
    classes: int = 0,
    heads: int = 4,
    dropout: float = 0.0,
) -> Net:
    """A U-Net: {"x": (b, h, w, c), "t": (b,), "label": int32 (b,)} -> (b, h, w, c).

    Args:
      channels: features at each side, of which every one is half of that before; on the
        way up each is given what was there on the way down. At the last, places attend
        to each other.
      classes: how many labels there are; one more stands for none. 0: it is given none.

    Source: Ronneberger, Fischer, Brox 2015; Ho, Jain, Abbeel 2020.

    Raises:
      UserError: channels that are not multiples of 8, the size of a group's number.
    """
    if any(features % GROUPS for features in channels):
        wide = ",".join(map(str, channels))
        raise UserError(f"--channels: {wide} must be multiples of {GROUPS}")
    return net(Unet(tuple(channels), classes, heads, dropout))


class Dit(nn.Module):
    """See `dit`."""

    patch: int
    width: int
    classes: int
    stack: dict[str, Any]

    @nn.compact
    def __call__(self, given: Any, *, train: bool = False):
        image, p = given["x"], self.patch
        b, h, w, c = image.shape
        x = Dense(self.width)(extract_patches(image, p))
        size = (x.shape[1], self.width)
        place = self.param("place", nn.initializers.normal(0.02), size)
        condition = Condition(self.width, self.classes)(given)
        x = jnp.concatenate([condition[:, None], x + place[None]], 1)
        x, _ = Stack(**self.stack)(x, train=train)
        x = Dense(p * p * c)(x[:, 1:])
        x = x.reshape(b, h // p, w // p, p, p, c).swapaxes(2, 3)
        return x.reshape(b, h, w, c)


def dit(
    patch: int,
    width: int,
    *,
    depth: int = 4,
    heads: int = 4,
    classes: int = 0,
    bias: bool = True,
    dropout: float = 0.0,
) -> Net:
    """A Transformer of squares of patch x patch pixels, and a first place that tells
    the time and the label (in-context conditioning); it is given what `unet` is.

    The side of images has to be a multiple of `patch`. Source: Peebles and Xie 2023.

    Raises:
      UserError: heads that do not divide the width.
    """
    if width % heads:
        raise UserError(f"heads {heads}: must divide the width {width}")
    block = {
        "width": width,
        "heads": heads,
        "ratio": 4,
        "norm": "pre",
        "activation": "gelu",
        "rotary": False,
        "bias": bias,
        "dropout": dropout,
        "attention": True,
        "residual": True,
        "ends": 1 / (2 * depth),
    }
    stack = {"depth": depth, "block": block, "scan": False, "remat": False}
    return net(Dit(patch, width, classes, stack))
