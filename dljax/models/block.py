"""Transformer blocks, and a stack of them."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn

from dljax.models.attention import Attention, scaled_init
from dljax.models.layers import Dense, Dropout

EPSILON = 1e-5  # of layer normalization
NORMS = ("pre", "post", "none")
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": functools.partial(nn.gelu, approximate=False),
    "relu": nn.relu,
}


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class BlockConfig:
    """The configuration that all blocks of a Transformer share.

    Attributes:
      width: model width.
      heads: attention heads.
      mlp_ratio: hidden width of the MLP over the model width.
      norm: layer normalization "pre", of each sublayer's input (Xiong et al. 2020);
        "post", of each residual sum (Vaswani et al. 2017); or "none".
      activation: a key of `ACTIVATIONS`.
      rotary: whether self-attention uses rotary embeddings.
      bias: whether dense and normalization layers have biases.
      dropout: rate on the output of each sublayer; may be traced.
      attention: False removes self-attention.
      residual: False removes the residual connections.
      init_scale: factor of the variance of the sublayers' initial output projections.
    """

    width: int
    heads: int
    mlp_ratio: int = 4
    norm: str = "pre"
    activation: str = "gelu"
    rotary: bool = False
    bias: bool = True
    dropout: float | jax.Array = 0.0
    attention: bool = True
    residual: bool = True
    init_scale: float = 1.0


class Block(nn.Module):
    """Self-attention, optional cross-attention, and an MLP per position.

    Each sublayer has a residual connection; see `BlockConfig`.
    """

    config: BlockConfig
    cross_attention: bool
    causal: bool
    train: bool

    @nn.compact
    def __call__(self, x_BTW, encoder_outputs, mask, encoder_mask, kv_cache, position):
        """Applies the block.

        Args:
          x_BTW: inputs.
          encoder_outputs: inputs of cross-attention (b, s, width), or None.
          mask: self-attention mask, broadcast to (b, 1, t, t), or None.
          encoder_mask: cross-attention mask, broadcast to (b, 1, t, s), or None.
          kv_cache: see `Attention`.
          position: the position of the first step of x.

        Returns:
          outputs (b, t, width), and the key-value cache with the entries of x.
        """
        if self.config.attention:
            self_attention = functools.partial(
                self._attention("attention"),
                mask=mask,
                kv_cache=kv_cache,
                position=position,
            )
            x_BTW, kv_cache = self._sublayer("attention", x_BTW, self_attention)
        if self.cross_attention:
            cross_attention = functools.partial(
                self._attention("cross_attention"),
                encoder_outputs=encoder_outputs,
                mask=encoder_mask,
            )
            x_BTW, _ = self._sublayer("cross_attention", x_BTW, cross_attention)
        x_BTW, _ = self._sublayer("mlp", x_BTW, self._mlp)
        return x_BTW, kv_cache

    def _sublayer(self, name, x_BTW, layer):
        config = self.config
        norm = nn.LayerNorm(EPSILON, use_bias=config.bias, name=f"{name}_norm")
        y_BTW, kv_cache = layer(norm(x_BTW) if config.norm == "pre" else x_BTW)
        y_BTW = Dropout(config.dropout)(y_BTW, train=self.train)
        y_BTW = x_BTW + y_BTW if config.residual else y_BTW
        return norm(y_BTW) if config.norm == "post" else y_BTW, kv_cache

    def _attention(self, name):
        is_self_attention = name == "attention"
        return Attention(
            self.config.width,
            self.config.heads,
            rotary=self.config.rotary and is_self_attention,
            bias=self.config.bias,
            init_scale=self.config.init_scale,
            causal=self.causal and is_self_attention,
            name=name,
        )

    def _mlp(self, x_BTW):
        config = self.config
        dense = functools.partial(Dense, use_bias=config.bias)
        y = dense(config.mlp_ratio * config.width, name="mlp_up")(x_BTW)
        y = ACTIVATIONS[config.activation](y)
        down = dense(
            config.width, kernel_init=scaled_init(config.init_scale), name="mlp_down"
        )
        return down(y), None


class Stack(nn.Module):
    """A stack of Transformer blocks: (b, t, width) -> ((b, t, width), key-value cache).

    The cache is one pair of arrays with a leading block axis with `scan`, else a list
    of one pair per block, which decoding updates in place.

    Attributes:
      depth: number of blocks.
      block: the configuration of all blocks.
      scan: stacks the weights of all blocks and loops over them in the compiled
        program, which compiles faster.
      remat: recomputes the activations inside a block for its gradient, which saves
        memory.
      cross_attention: whether blocks attend to `encoder_outputs`.
      causal: whether self-attention is causal.
    """

    depth: int
    block: BlockConfig
    scan: bool
    remat: bool
    cross_attention: bool = False
    causal: bool = False

    @nn.compact
    def __call__(
        self,
        x_BTW,
        *,
        encoder_outputs=None,
        mask=None,
        encoder_mask=None,
        kv_cache=None,
        position=0,
        train=False,
    ):
        make_block = nn.remat(Block) if self.remat else Block
        fields = (self.block, self.cross_attention, self.causal, train)
        if self.scan:
            make_blocks = nn.scan(
                make_block,
                variable_axes={"params": 0},
                split_rngs={"params": True, "noise": True},
                in_axes=(nn.broadcast, nn.broadcast, nn.broadcast, 0, nn.broadcast),
                length=self.depth,
            )
            blocks = make_blocks(*fields, name="blocks")
            x_BTW, kv_cache = blocks(
                x_BTW, encoder_outputs, mask, encoder_mask, kv_cache, position
            )
        else:
            caches = [None] * self.depth if kv_cache is None else kv_cache
            kv_cache = []
            for i, cache in enumerate(caches):
                block = make_block(*fields, name=f"block_{i}")
                x_BTW, cache = block(
                    x_BTW, encoder_outputs, mask, encoder_mask, cache, position
                )
                kv_cache.append(cache)
        if self.block.norm == "pre":
            norm = nn.LayerNorm(EPSILON, use_bias=self.block.bias, name="norm")
            x_BTW = norm(x_BTW)
        return x_BTW, kv_cache
