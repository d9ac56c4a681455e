"""Networks that denoise images: a U-Net, and a Transformer of patches (DiT)."""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from dljax.errors import UserError
from dljax.models.attention import Attention, sinusoidal_embedding
from dljax.models.block import BlockConfig, Stack
from dljax.models.layers import Conv, Dense, Dropout
from dljax.models.net import net
from dljax.models.transformer import extract_patches
from dljax.types import Net

GROUPS = 8  # of group normalization
TIME_SCALE = 1000.0  # multiplies the time, 0 to 1, before its sinusoidal embedding


class Condition(nn.Module):
    """Embeds time and label: {"t": (b,), 0 to 1, "label": int32 (b,)} -> (b, width).

    Attributes:
      width: size of the embedding.
      classes: number of classes; the label `classes` means no label. 0: no labels.
    """

    width: int
    classes: int

    @nn.compact
    def __call__(self, inputs: Any):
        t_BW = sinusoidal_embedding(TIME_SCALE * inputs["t"], self.width)
        x_BW = nn.silu(nn.Dense(self.width)(t_BW))
        x_BW = nn.Dense(self.width)(x_BW)
        if self.classes:
            # As large as the time embedding, or labels have no effect early on.
            init = nn.initializers.normal(1.0)
            label = nn.Embed(
                self.classes + 1, self.width, embedding_init=init, name="label"
            )
            x_BW += label(inputs["label"])
        return x_BW


class ResidualBlock(nn.Module):
    """[GroupNorm, SiLU, convolution] twice, with a residual connection.

    The condition (b, width) is projected and added after the first convolution.
    """

    features: int
    dropout: float

    @nn.compact
    def __call__(self, x_BHWC: Any, condition_BW: Any, *, train: bool):
        y_BHWC = Conv(self.features)(nn.silu(_group_norm()(x_BHWC)))
        y_BHWC += nn.Dense(self.features)(nn.silu(condition_BW))[:, None, None]
        y_BHWC = Dropout(self.dropout)(nn.silu(_group_norm()(y_BHWC)), train=train)
        y_BHWC = Conv(self.features)(y_BHWC)
        if x_BHWC.shape[-1] != self.features:
            x_BHWC = Conv(self.features, 1)(x_BHWC)
        return x_BHWC + y_BHWC


def _group_norm():
    return nn.GroupNorm(GROUPS, epsilon=1e-5)


class Unet(nn.Module):
    """U-Net for denoising; see `unet`."""

    channels: tuple[int, ...]
    classes: int
    heads: int
    dropout: float

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False):
        first, last = self.channels[0], self.channels[-1]
        condition_BW = Condition(4 * first, self.classes)(inputs)
        x_BHWC = Conv(first)(inputs["x"])
        skips = []
        for i, features in enumerate(self.channels):
            x_BHWC = Conv(features, stride=2)(x_BHWC) if i else x_BHWC
            block = ResidualBlock(features, self.dropout)
            x_BHWC = block(x_BHWC, condition_BW, train=train)
            skips.append(x_BHWC)
        x_BHWC = self._attention(x_BHWC)
        block = ResidualBlock(last, self.dropout)
        x_BHWC = block(x_BHWC, condition_BW, train=train)
        for i, features in reversed(list(enumerate(self.channels))):
            if i < len(self.channels) - 1:
                x_BHWC = Conv(features)(_upsampled(x_BHWC, skips[i].shape[1:3]))
            x_BHWC = jnp.concatenate([x_BHWC, skips[i]], -1)
            block = ResidualBlock(features, self.dropout)
            x_BHWC = block(x_BHWC, condition_BW, train=train)
        x_BHWC = nn.silu(_group_norm()(x_BHWC))
        return Conv(inputs["x"].shape[-1])(x_BHWC)

    def _attention(self, x_BHWC):
        """Self-attention over pixels, with a residual connection."""
        b, h, w, c = x_BHWC.shape
        x_BTW = x_BHWC.reshape(b, h * w, c)
        attention = Attention(c, self.heads, bias=False)
        y_BTW, _ = attention(nn.LayerNorm(epsilon=1e-5)(x_BTW))
        return (x_BTW + y_BTW).reshape(b, h, w, c)


def _upsampled(x_BHWC, size):
    """Repeats each pixel twice in height and width, and crops to `size`."""
    height, width = size
    return x_BHWC.repeat(2, 1).repeat(2, 2)[:, :height, :width]


def unet(
    channels: tuple[int, ...] = (32, 64),
    *,
    classes: int = 0,
    heads: int = 4,
    dropout: float = 0.0,
) -> Net:
    """Builds a U-Net: {"x", "t": (b,), "label": int32 (b,)} -> (b, h, w, c).

    "x" is (b, h, w, c); times "t" are in [0, 1].

    Args:
      channels: features at each resolution, from the full resolution on; each next one
        is half as large. The upward path concatenates the features of the downward path
        (skip connections). At the lowest resolution pixels attend to each other.
      classes: number of classes; label `classes` means no label. 0: unconditional.
      heads: attention heads.
      dropout: rate in each residual block; may be traced.

    Raises:
      UserError: channels that are not multiples of 8, the number of groups.

    Source: Ronneberger, Fischer, Brox 2015; Ho, Jain, Abbeel 2020.
    """
    if any(features % GROUPS for features in channels):
        widths = ",".join(map(str, channels))
        raise UserError(
            "width-not-divisible", f"--channels={widths}: must be multiples of {GROUPS}"
        )
    return net(Unet(tuple(channels), classes, heads, dropout))


class Dit(nn.Module):
    """Diffusion Transformer; see `dit`."""

    patch: int
    width: int
    classes: int
    depth: int
    block: BlockConfig

    @nn.compact
    def __call__(self, inputs: Any, *, train: bool = False):
        image_BHWC, p = inputs["x"], self.patch
        b, h, w, c = image_BHWC.shape
        x_BTW = Dense(self.width)(extract_patches(image_BHWC, p))
        positions_TW = self.param(
            "position_embedding",
            nn.initializers.normal(0.02),
            (x_BTW.shape[1], self.width),
        )
        condition_BW = Condition(self.width, self.classes)(inputs)
        x_BTW = x_BTW + positions_TW[None]
        x_BTW = jnp.concatenate([condition_BW[:, None], x_BTW], 1)
        stack = Stack(self.depth, self.block, scan=False, remat=False)
        x_BTW, _ = stack(x_BTW, train=train)
        x_BTW = Dense(p * p * c)(x_BTW[:, 1:])
        patches = x_BTW.reshape(b, h // p, w // p, p, p, c)
        return patches.swapaxes(2, 3).reshape(b, h, w, c)


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
    """Builds a diffusion Transformer; inputs and outputs as for `unet`.

    Its tokens are patches of `patch` x `patch` pixels, preceded by one token that
    embeds the time and the label (in-context conditioning). `patch` must divide the
    height and width of the images.

    Args:
      patch: side of a patch in pixels.
      width: model width.
      depth: number of blocks.
      heads: attention heads.
      classes: number of classes; label `classes` means no label. 0: unconditional.
      bias, dropout: see `block.BlockConfig`.

    Raises:
      UserError: heads that do not divide the width.

    Source: Peebles and Xie 2023.
    """
    if width % heads:
        raise UserError(
            "width-not-divisible", f"heads {heads}: must divide the width {width}"
        )
    block = BlockConfig(
        width=width,
        heads=heads,
        bias=bias,
        dropout=dropout,
        init_scale=1 / (2 * depth),
    )
    return net(Dit(patch, width, classes, depth, block))
