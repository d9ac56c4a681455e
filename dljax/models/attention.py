"""Multi-head attention with a key-value cache, and position embeddings.

Shapes: B examples, T queries, S keys, H heads, D features per head, W model width.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dljax.models.layers import Dense
from dljax.ops.attention import attention, causal_mask

MAX_PERIOD = 10_000.0  # period of the slowest sinusoid over 2 pi, in positions


def sinusoids(positions_T: Any, size: int) -> tuple[Any, Any]:
    """Sines and cosines of positions (t,): each (t, size / 2).

    The columns go from high to low frequency.

    Source: Vaswani et al. 2017, section 3.5.
    """
    frequencies = MAX_PERIOD ** -(jnp.arange(0, size, 2) / size)
    angles = positions_T[:, None] * frequencies.reshape(1, -1)
    return jnp.sin(angles), jnp.cos(angles)


def sinusoidal_embedding(positions_T: Any, width: int) -> Any:
    """Sinusoidal position embeddings (t, width), to be added to token embeddings.

    All sines come first, where the paper alternates sines and cosines: a fixed
    permutation of the features.
    """
    return jnp.concatenate(sinusoids(positions_T, width), -1)


def apply_rotary_embedding(x_BTHD: Any, positions_T: Any) -> Any:
    """Rotates pairs of features by angles proportional to the position.

    The dot product of a rotated query and a rotated key then depends on their distance.
    A pair is one feature of each half of a head.

    Args:
      x_BTHD: queries or keys.
      positions_T: the position of each step.

    Source: Su et al. 2021 (RoPE).
    """
    sin, cos = (
        part.astype(x_BTHD.dtype)[None, :, None]
        for part in sinusoids(positions_T, x_BTHD.shape[-1])
    )
    a, b = jnp.split(x_BTHD, 2, -1)
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def scaled_init(scale: float) -> Any:
    """Returns the LeCun-normal initializer with its variance multiplied by `scale`."""
    return nn.initializers.variance_scaling(scale, "fan_in", "truncated_normal")


class Attention(nn.Module):
    """Multi-head attention: (b, t, width) -> ((b, t, width), key-value cache).

    Self-attention, or cross-attention to `encoder_outputs` (b, s, width). With
    `kv_cache`, a pair of arrays (b, h, max_len, d), keys and values of x are written to
    the cache at `position`, and each query attends to all positions up to its own;
    `mask` must then be None.

    Attributes:
      width: model width.
      heads: number of heads; must divide the width.
      rotary: whether queries and keys get rotary embeddings.
      bias: whether the projections have biases.
      init_scale: factor of the variance of the initial output projection.
      causal: each query attends to positions up to its own, also without a cache;
        `mask` must then be None.

    Source: Vaswani et al. 2017, section 3.2.2.
    """

    width: int
    heads: int
    rotary: bool = False
    bias: bool = True
    init_scale: float = 1.0
    causal: bool = False

    @nn.compact
    def __call__(
        self,
        x_BTW: Any,
        *,
        encoder_outputs: Any = None,
        mask: Any = None,
        kv_cache: Any = None,
        position: Any = 0,
    ) -> tuple[Any, Any]:
        inputs_BSW = x_BTW if encoder_outputs is None else encoder_outputs
        q_BTHD = self._heads("query", x_BTW)
        k_BSHD = self._heads("key", inputs_BSW)
        v_BSHD = self._heads("value", inputs_BSW)
        if self.rotary:
            positions_T = position + jnp.arange(x_BTW.shape[1])
            q_BTHD, k_BSHD = (
                apply_rotary_embedding(part, positions_T) for part in (q_BTHD, k_BSHD)
            )
        # Stored in the layout of the products, so that no step transposes the cache.
        kv_BHSD: Any = [part.swapaxes(1, 2) for part in (k_BSHD, v_BSHD)]
        if kv_cache is not None:
            assert mask is None
            kv_BHSD = [
                jax.lax.dynamic_update_slice_in_dim(old, new, position, 2)
                for old, new in zip(kv_cache, kv_BHSD, strict=True)
            ]
        at_start = kv_cache is None or (isinstance(position, int) and position == 0)
        if not at_start:  # at the start the cache holds only x
            k_BSHD, v_BSHD = (part.swapaxes(1, 2) for part in kv_BHSD)
            mask = causal_mask(position, x_BTW.shape[1], k_BSHD.shape[1])
        causal = self.causal and at_start
        y_BTHD = attention(q_BTHD, k_BSHD, v_BSHD, mask, causal=causal)
        output = Dense(
            self.width,
            use_bias=self.bias,
            kernel_init=scaled_init(self.init_scale),
            name="out",
        )
        return output(y_BTHD.reshape(*x_BTW.shape[:2], self.width)), kv_BHSD

    def _heads(self, name, x_BTW):
        y_BTW = Dense(self.width, use_bias=self.bias, name=name)(x_BTW)
        b, t, width = y_BTW.shape
        return y_BTW.reshape(b, t, self.heads, width // self.heads)
