"""Attention: each place of a sequence looks at others and takes what it asks for.

Tensors carry their shape: B examples, T places that ask, S places that are looked at, H
heads, D numbers of a head.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dljax.models.layers import Dense
from dljax.ops.attention import attention, causal_mask

WAVELENGTH = 10_000.0  # of the slowest of the waves that tell positions, over 2 pi


def waves(positions_T: Any, size: int) -> tuple[Any, Any]:
    """Sines and cosines (t, size / 2) of positions, from fast to slow ones.

    Source: Vaswani et al. 2017, section 3.5.
    """
    speeds = WAVELENGTH ** -(jnp.arange(0, size, 2) / size)
    angles = positions_T[:, None] * speeds.reshape(1, -1)
    return jnp.sin(angles), jnp.cos(angles)


def sinusoids(positions_T: Any, width: int) -> Any:
    """(t, width): what is added to embeddings to tell their positions.

    All sines come first, where the paper has them by turns with the cosines: an order
    of the numbers, which the layers after it learn.
    """
    return jnp.concatenate(waves(positions_T, width), -1)


def rotated(x_BxTxHxD: Any, positions_T: Any) -> Any:
    """Pairs of numbers turned by angles that grow with the position.

    Products of two of them then depend on how far apart they are. Source: Su et al.
    2021 (RoPE), where the pairs are the two halves of a head.
    """
    sin, cos = (
        part.astype(x_BxTxHxD.dtype)[None, :, None]
        for part in waves(positions_T, x_BxTxHxD.shape[-1])
    )
    a, b = jnp.split(x_BxTxHxD, 2, -1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def ending(scale: float) -> Any:
    """Initial weights of so much of the usual variance."""
    return nn.initializers.variance_scaling(scale, "fan_in", "truncated_normal")


class Attention(nn.Module):
    """Attention of several heads: (b, t, width) -> (b, t, width) and what is kept.

    Keys and values are of the sequence itself, or of `seen` (b, s, width). With `past`,
    a pair of arrays (b, h, longest, d), those of the sequence are put there from place
    `at` on, and each place looks at those up to it. causal: so it does without `past`.
    Where it does there is no other mask.
    """

    width: int
    heads: int
    rotary: bool = False
    bias: bool = True
    ends: float = 1.0
    causal: bool = False

    @nn.compact
    def __call__(
        self,
        x: Any,
        *,
        seen: Any = None,
        mask: Any = None,
        past: Any = None,
        at: Any = 0,
    ) -> tuple[Any, Any]:
        size = self.width // self.heads

        def heads(name, of):
            made = Dense(self.width, use_bias=self.bias, name=name)(of)
            return made.reshape(*made.shape[:2], self.heads, size)

        source = x if seen is None else seen
        q_BxTxHxD = heads("query", x)
        k_BxSxHxD, v_BxSxHxD = heads("key", source), heads("value", source)
        if self.rotary:
            places = at + jnp.arange(x.shape[1])
            q_BxTxHxD, k_BxSxHxD = (
                rotated(part, places) for part in (q_BxTxHxD, k_BxSxHxD)
            )
        # Kept in the order in which products take them, so that no step copies all.
        kept_BxHxSxD: Any = [part.swapaxes(1, 2) for part in (k_BxSxHxD, v_BxSxHxD)]
        if past is not None:
            assert mask is None
            kept_BxHxSxD = [
                jax.lax.dynamic_update_slice_in_dim(old, new, at, 2)
                for old, new in zip(past, kept_BxHxSxD, strict=True)
            ]
        first = past is None or (isinstance(at, int) and at == 0)
        if not first:  # else there is nothing before it
            k_BxSxHxD, v_BxSxHxD = (part.swapaxes(1, 2) for part in kept_BxHxSxD)
            mask = causal_mask(at, x.shape[1], k_BxSxHxD.shape[1])
        causal = self.causal and first
        taken = attention(q_BxTxHxD, k_BxSxHxD, v_BxSxHxD, mask, causal=causal)
        join = Dense(
            self.width,
            use_bias=self.bias,
            kernel_init=ending(self.ends),
            name="join",
        )
        return join(taken.reshape(*x.shape[:2], self.width)), kept_BxHxSxD
