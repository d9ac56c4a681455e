"""Transformers: decoders, encoders, and both together, of one block."""

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from dljax.errors import UserError
from dljax.models.attention import sinusoids
from dljax.models.block import ACTIVATIONS, NORMS, Stack
from dljax.models.decoding import generate
from dljax.models.layers import Dense, Dropout
from dljax.models.net import net
from dljax.types import Net

ARCHITECTURES = ("decoder", "encoder", "encoder_decoder")
POSITIONS = ("learned", "sinusoidal", "rotary", "none")


class Transformer(nn.Module):
    """See `transformer`."""

    architecture: str
    outputs: int
    vocabulary: int
    max_len: int
    positions: str
    pool: str
    tied: bool
    stack: dict[str, Any]

    def setup(self):
        block = self.stack["block"]
        embed = functools.partial(
            nn.Embed,
            features=block["width"],
            embedding_init=nn.initializers.normal(0.02),
        )
        if self.architecture != "decoder":
            self.encoder = Stack(**self.stack)
            self.embed_x = (
                embed(self.vocabulary) if self.vocabulary else Dense(block["width"])
            )
        if self.architecture != "encoder":
            across = self.architecture != "decoder"
            self.decoder = Stack(**self.stack, across=across, causal=True)
            self.embed_y = embed(self.outputs)
        if self.positions == "learned":
            self.place = embed(self.max_len)
        self.drop = Dropout(block["dropout"])
        if not self.tied:
            self.head = Dense(self.outputs)

    def __call__(self, given: Any, *, train: bool = False):
        given = given if isinstance(given, dict) else {"x": given}
        if self.architecture == "decoder":
            return self.decode(given["x"], train=train)[0]
        seen, seen_mask = self.encode(given, train=train)
        if self.architecture == "encoder_decoder":
            return self.decode(given["decoder_inputs"], seen, seen_mask, train=train)[0]
        if self.pool == "mean":
            there = jnp.ones(seen.shape[:2]) if seen_mask is None else given["mask"]
            there = (there / there.sum(-1, keepdims=True))[..., None]
            seen = (seen * there.astype(seen.dtype)).sum(1)
        return self.head(seen)

    def encode(self, given: Any, *, train: bool = False) -> tuple[Any, Any]:
        """(b, s, width), and the mask (b, 1, 1, s) of its places, or None."""
        mask = given.get("mask")
        mask = None if mask is None else mask[:, None, None]
        x = self._placed(self.embed_x(given["x"]), 0, train)
        return self.encoder(x, mask=mask, train=train)[0], mask

    def decode(
        self,
        y: Any,
        seen: Any = None,
        seen_mask: Any = None,
        past: Any = None,
        at: Any = 0,
        *,
        train: bool = False,
    ) -> tuple[Any, Any]:
        """Logits (b, t, outputs) of tokens (b, t), each from those up to it; and `past`
        with their keys and values.
        """
        y, past = self.decoder(
            self._placed(self.embed_y(y), at, train),
            seen=seen,
            seen_mask=seen_mask,
            past=past,
            at=at,
            train=train,
        )
        if not self.tied:
            return self.head(y), past
        logits = self.embed_y.attend(y.reshape(-1, y.shape[-1]))  # see layers.by_rows
        return logits.reshape(*y.shape[:-1], self.outputs), past

    def _placed(self, x, at, train):
        if self.positions == "learned" and x.shape[1] > self.max_len:
            raise ValueError(f"{x.shape[1]} places: max_len is {self.max_len}")
        places = at + jnp.arange(x.shape[1])
        if self.positions == "learned":
            x = x + self.place(places)[None]
        if self.positions == "sinusoidal":
            x = x + sinusoids(places, x.shape[-1])[None].astype(x.dtype)
        return self.drop(x, train=train)


def extract_patches(images: Any, size: int) -> Any:
    """Images as sequences of squares: (b, h, w, c) -> (b, n, size * size * c), row by
    row; what is left at the lower and right edge is cut off. Source: Dosovitskiy et al.
    2021.
    """
    b, h, w, c = images.shape
    h, w = h // size, w // size
    squares = images[:, : h * size, : w * size].reshape(b, h, size, w, size, c)
    return squares.swapaxes(2, 3).reshape(b, h * w, size * size * c)


def transformer(
    architecture: str,
    width: int,
    outputs: int,
    *,
    depth: int = 2,
    heads: int = 4,
    ratio: int = 4,
    vocabulary: int = 0,
    max_len: int,
    positions: str = "learned",
    norm: str = "pre",
    activation: str = "gelu",
    bias: bool = True,
    dropout: float = 0.0,
    pool: str = "mean",
    tied: bool = False,
    attention: bool = True,
    residual: bool = True,
    scan: bool = False,
    remat: bool = False,
) -> Net:
    """A Transformer.

    By architecture:

    decoder   tokens (b, t) -> (b, t, outputs), each from those up to it
    encoder   x, or {"x", "mask": (b, t), 0 at padding}, where x is tokens (b, t), or
              values (b, t, features) -> (b, outputs); with pool="none" (b, t, outputs)
    encoder_decoder
              {"x": of the encoder, "mask", "decoder_inputs": tokens (b, t)} -> (b, t,
              outputs)

    Args:
      width: numbers of each place, in `depth` blocks of so many `heads`; the layers at
        each place are `ratio` times as wide.
      vocabulary: how many tokens the encoder knows; 0: its x is values.
      max_len: the longest sequence.
      positions: what tells them: vectors that are "learned", "sinusoidal" ones, a turn
        of queries and keys ("rotary"), or nothing ("none").
      norm: "pre" (before each part), "post" (after each sum), or "none".
      tied: the logits are products with the embedding of the tokens.
      attention, residual: False takes that part away.
      scan, remat: see `block.Stack`; neither changes what is computed.

    Source: Vaswani et al. 2017; GPT-2 (Radford et al. 2019) for "pre" and the
    initial weights, of which what ends a block is smaller the more blocks there are.

    Raises:
      ValueError: an unknown option; or, when it is applied, a sequence that is longer
        than the learned positions.
      UserError: heads that do not divide the width, or an odd one.
    """
    for name, value, known in (
        ("architecture", architecture, ARCHITECTURES),
        ("positions", positions, POSITIONS),
        ("norm", norm, NORMS),
        ("activation", activation, tuple(ACTIVATIONS)),
        ("pool", pool, ("mean", "none")),
    ):
        if value not in known:
            raise ValueError(f"{name} {value}: must be one of {known}")
    if width % heads or (positions == "rotary" and width // heads % 2):
        even = "even parts" if positions == "rotary" else "equal parts"
        raise UserError(f"heads {heads}: must divide the width {width} into {even}")
    if positions == "sinusoidal" and width % 2:
        raise UserError(f"width {width}: must be even, with sinusoidal positions")
    block = {
        "width": width,
        "heads": heads,
        "ratio": ratio,
        "norm": norm,
        "activation": activation,
        "rotary": positions == "rotary",
        "bias": bias,
        "dropout": dropout,
        "attention": attention,
        "residual": residual,
        "ends": 1.0 if norm == "post" else 1 / (2 * depth),
    }
    stack = {"depth": depth, "block": block, "scan": scan, "remat": remat}
    module = Transformer(
        architecture, outputs, vocabulary, max_len, positions, pool, tied, stack
    )
    made = net(module)
    if architecture == "encoder":
        return made
    return made._replace(generate=functools.partial(generate, module))
