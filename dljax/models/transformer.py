"""Transformers: decoders, encoders, and encoder-decoders."""

import functools
from typing import Any

import jax.numpy as jnp
from flax import linen as nn

from dljax.errors import UserError
from dljax.models.attention import sinusoidal_embedding
from dljax.models.block import ACTIVATIONS, NORMS, BlockConfig, Stack
from dljax.models.decoding import generate
from dljax.models.layers import Dense, Dropout
from dljax.models.net import net
from dljax.types import Net

ARCHITECTURES = ("decoder", "encoder", "encoder_decoder")
POSITIONS = ("learned", "sinusoidal", "rotary", "none")


class Transformer(nn.Module):
    """Transformer of any architecture; see `transformer`."""

    architecture: str
    outputs: int
    vocabulary: int
    max_len: int
    positions: str
    pool: str
    tied: bool
    depth: int
    block: BlockConfig
    scan: bool
    remat: bool

    def setup(self):
        width = self.block.width
        embed = functools.partial(
            nn.Embed, features=width, embedding_init=nn.initializers.normal(0.02)
        )
        stack = functools.partial(Stack, self.depth, self.block, self.scan, self.remat)
        if self.architecture != "decoder":
            self.encoder = stack()
            self.embed_x = embed(self.vocabulary) if self.vocabulary else Dense(width)
        if self.architecture != "encoder":
            cross_attention = self.architecture == "encoder_decoder"
            self.decoder = stack(cross_attention=cross_attention, causal=True)
            self.embed_y = embed(self.outputs)
        if self.positions == "learned":
            self.position_embedding = embed(self.max_len)
        self.drop = Dropout(self.block.dropout)
        if not self.tied:
            self.head = Dense(self.outputs)

    def __call__(self, inputs: Any, *, train: bool = False):
        inputs = inputs if isinstance(inputs, dict) else {"x": inputs}
        if self.architecture == "decoder":
            return self.decode(inputs["x"], train=train)[0]
        y_BSW, mask = self.encode(inputs, train=train)
        if self.architecture == "encoder_decoder":
            return self.decode(inputs["decoder_inputs"], y_BSW, mask, train=train)[0]
        if self.pool == "mean":
            weights_BS = jnp.ones(y_BSW.shape[:2]) if mask is None else inputs["mask"]
            weights_BS = weights_BS / weights_BS.sum(-1, keepdims=True)
            return self.head((y_BSW * weights_BS[..., None].astype(y_BSW.dtype)).sum(1))
        return self.head(y_BSW)

    def encode(self, inputs: Any, *, train: bool = False) -> tuple[Any, Any]:
        """Encodes the inputs.

        Returns:
          the encoder's outputs (b, s, width), and their mask (b, 1, 1, s) or None.
        """
        mask = inputs.get("mask")
        mask = None if mask is None else mask[:, None, None]
        x_BSW = self._with_positions(self.embed_x(inputs["x"]), 0, train)
        return self.encoder(x_BSW, mask=mask, train=train)[0], mask

    def decode(
        self,
        tokens_BT: Any,
        encoder_outputs: Any = None,
        encoder_mask: Any = None,
        kv_cache: Any = None,
        position: Any = 0,
        *,
        train: bool = False,
    ) -> tuple[Any, Any]:
        """Decodes tokens, each from the tokens up to its own.

        Returns:
          logits (b, t, outputs), and the key-value cache with the entries of the
          tokens.
        """
        y_BTW, kv_cache = self.decoder(
            self._with_positions(self.embed_y(tokens_BT), position, train),
            encoder_outputs=encoder_outputs,
            encoder_mask=encoder_mask,
            kv_cache=kv_cache,
            position=position,
            train=train,
        )
        if not self.tied:
            return self.head(y_BTW), kv_cache
        b, t, width = y_BTW.shape
        logits = self.embed_y.attend(
            y_BTW.reshape(-1, width)
        )  # one product of all rows: see ops/dense.py
        return logits.reshape(b, t, self.outputs), kv_cache

    def _with_positions(self, x_BTW, position, train):
        if self.positions == "learned" and x_BTW.shape[1] > self.max_len:
            raise ValueError(
                f"{x_BTW.shape[1]} positions: more than max_len {self.max_len}"
            )
        positions_T = position + jnp.arange(x_BTW.shape[1])
        if self.positions == "learned":
            x_BTW = x_BTW + self.position_embedding(positions_T)[None]
        if self.positions == "sinusoidal":
            embedding = sinusoidal_embedding(positions_T, x_BTW.shape[-1])
            x_BTW = x_BTW + embedding[None].astype(x_BTW.dtype)
        return self.drop(x_BTW, train=train)


def extract_patches(x_BHWC: Any, size: int) -> Any:
    """Splits images into sequences of patches: (b, h, w, c) -> (b, n, size * size * c).

    Patches are in row order; incomplete patches at the lower and right edge are
    dropped.

    Source: Dosovitskiy et al. 2021.
    """
    b, h, w, c = x_BHWC.shape
    h, w = h // size, w // size
    patches = x_BHWC[:, : h * size, : w * size].reshape(b, h, size, w, size, c)
    return patches.swapaxes(2, 3).reshape(b, h * w, size * size * c)


def transformer(
    architecture: str,
    width: int,
    outputs: int,
    *,
    depth: int = 2,
    heads: int = 4,
    mlp_ratio: int = 4,
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
    """Builds a Transformer.

    By architecture:

    decoder   tokens (b, t) -> (b, t, outputs), each from the tokens up to its own
    encoder   x, or {"x": x, "mask": (b, t), 0 at padding}, where x is tokens (b, t) or
              values (b, t, features), -> (b, outputs); with pool="none" (b, t, outputs)
    encoder_decoder
              {"x", "mask": as of the encoder, "decoder_inputs": tokens (b, t)} ->
              (b, t, outputs)

    Args:
      architecture: one of `ARCHITECTURES`.
      width: model width.
      outputs: number of outputs; of a decoder, the size of its vocabulary.
      depth: number of blocks of the encoder, and of the decoder.
      vocabulary: size of the encoder's vocabulary; 0: x is values.
      max_len: the longest sequence; a limit for learned positions and for the key-value
        cache.
      positions: "learned" or "sinusoidal" embeddings, "rotary" queries and keys, or
        "none".
      pool: "mean": the encoder's outputs are averaged over positions; "none": one
        output per position.
      tied: the output layer is the transposed embedding of the decoder's tokens.
      heads, mlp_ratio, norm, activation, bias, dropout, attention, residual: see
        `block.BlockConfig`.
      scan, remat: see `block.Stack`; neither changes the result.

    Raises:
      ValueError: an unknown option; or, when applied, a sequence longer than the
        learned positions.
      UserError: heads that do not divide the width, or an odd width.

    Source: Vaswani et al. 2017; for pre-norm GPT-2 (Radford et al. 2019), whose initial
    residual output projections are scaled by 1/sqrt(2 depth).
    """
    _check_options(
        architecture=(architecture, ARCHITECTURES),
        positions=(positions, POSITIONS),
        norm=(norm, NORMS),
        activation=(activation, tuple(ACTIVATIONS)),
        pool=(pool, ("mean", "none")),
    )
    _check_width(width, heads, positions)
    block = BlockConfig(
        width=width,
        heads=heads,
        mlp_ratio=mlp_ratio,
        norm=norm,
        activation=activation,
        rotary=positions == "rotary",
        bias=bias,
        dropout=dropout,
        attention=attention,
        residual=residual,
        init_scale=1.0 if norm == "post" else 1 / (2 * depth),
    )
    module = Transformer(
        architecture,
        outputs,
        vocabulary,
        max_len,
        positions,
        pool,
        tied,
        depth,
        block,
        scan,
        remat,
    )
    network = net(module)
    if architecture == "encoder":
        return network
    return network._replace(generate=functools.partial(generate, module))


def _check_options(**options: tuple[str, tuple[str, ...]]) -> None:
    for name, (value, choices) in options.items():
        if value not in choices:
            raise ValueError(f"{name} {value}: must be one of {choices}")


def _check_width(width: int, heads: int, positions: str) -> None:
    if width % heads or (positions == "rotary" and width // heads % 2):
        even = "even parts" if positions == "rotary" else "equal parts"
        raise UserError(
            "width-not-divisible",
            f"--heads={heads}: must divide the width {width} into {even}",
        )
    if positions == "sinusoidal" and width % 2:
        raise UserError(
            "width-not-divisible",
            f"--width={width}: must be even for sinusoidal positions",
        )
