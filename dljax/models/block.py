"""The block that Transformers are made of, and a stack of them."""

import functools
from collections.abc import Callable
from typing import Any

import jax
from flax import linen as nn

from dljax.models.attention import Attention, ending
from dljax.models.layers import Dense, Dropout

EPSILON = 1e-5  # of layer normalisation
NORMS = ("pre", "post", "none")
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": functools.partial(nn.gelu, approximate=False),
    "relu": nn.relu,
}


class Block(nn.Module):
    """Attention, then two layers at each place by itself; each is added to its input.

    norm: what each part is given is normalised (Xiong et al. 2020), or each sum is
    (Vaswani et al. 2017). `attention` and `residual` take a part away. ends: how large
    the variance of the weights that a part ends with is at first, of what is usual.
    """

    width: int
    heads: int
    ratio: int
    norm: str
    activation: str
    rotary: bool
    bias: bool
    dropout: float | jax.Array
    attention: bool
    residual: bool
    ends: float
    across: bool
    causal: bool
    train: bool

    @nn.compact
    def __call__(self, x, seen, mask, seen_mask, past, at):
        """x, and `past` with the keys and values of x at places `at`...; see Attention.

        seen, seen_mask: what is looked at where the block looks `across`.
        """
        if self.attention:
            own = functools.partial(
                self._attention("attention"), mask=mask, past=past, at=at
            )
            x, past = self._part("attention", x, own)
        if self.across:
            other = functools.partial(
                self._attention("across"), seen=seen, mask=seen_mask
            )
            x, _ = self._part("across", x, other)
        x, _ = self._part("each", x, self._each)
        return x, past

    def _part(self, name, x, of):
        norm = nn.LayerNorm(EPSILON, use_bias=self.bias, name=f"{name}_norm")
        y, kept = of(norm(x) if self.norm == "pre" else x)
        y = Dropout(self.dropout)(y, train=self.train)
        y = x + y if self.residual else y
        return norm(y) if self.norm == "post" else y, kept

    def _attention(self, name):
        own = name == "attention"
        return Attention(
            self.width,
            self.heads,
            rotary=self.rotary and own,
            bias=self.bias,
            ends=self.ends,
            causal=self.causal and own,
            name=name,
        )

    def _each(self, x):
        dense = functools.partial(Dense, use_bias=self.bias)
        y = dense(self.ratio * self.width, name="widen")(x)
        y = ACTIVATIONS[self.activation](y)
        return dense(self.width, kernel_init=ending(self.ends), name="narrow")(y), None


class Stack(nn.Module):
    """Blocks one after another, and the cached keys and values of each: with `scan` a
    pair of arrays over all blocks, else a list of a pair for each, written to in place.

    scan: the blocks' weights are one array each, and a compiled loop goes over them.
    remat: what is inside a block is computed again for the gradient.
    """

    depth: int
    block: dict[str, Any]
    scan: bool
    remat: bool
    across: bool = False
    causal: bool = False

    @nn.compact
    def __call__(
        self, x, *, seen=None, mask=None, seen_mask=None, past=None, at=0, train=False
    ):
        made = nn.remat(Block) if self.remat else Block
        ways = {"across": self.across, "causal": self.causal, "train": train}
        fields = {**self.block, **ways}
        if self.scan:
            looped = nn.scan(
                made,
                variable_axes={"params": 0},
                split_rngs={"params": True, "noise": True},
                in_axes=(nn.broadcast, nn.broadcast, nn.broadcast, 0, nn.broadcast),
                length=self.depth,
            )
            x, kept = looped(**fields, name="blocks")(
                x, seen, mask, seen_mask, past, at
            )
        else:
            kept = []
            for i in range(self.depth):
                own = None if past is None else past[i]
                block = made(**fields, name=f"block_{i}")
                x, new = block(x, seen, mask, seen_mask, own, at)
                kept.append(new)
        if self.block["norm"] == "pre":
            x = nn.LayerNorm(EPSILON, use_bias=self.block["bias"], name="norm")(x)
        return x, kept
