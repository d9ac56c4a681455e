"""Scaled dot-product attention.

Shapes: B examples, T queries, S keys, H heads, D features per head.
"""

from typing import Any

import jax
import jax.numpy as jnp

from dljax.ops.backend_forms import on_cpu
from dljax.ops.dense import softmax

MASKED_SCORE = -1e9  # score of masked keys
MIN_CHUNK, MAX_CHUNKS = 64, 16  # causal attention: queries per chunk, chunks


def plain_attention(q_BTHD, k_BSHD, v_BSHD, mask=None, *, causal: bool = False) -> Any:
    """`attention` by `jax.nn.dot_product_attention`."""
    allowed = None if mask is None else mask > 0
    return jax.nn.dot_product_attention(
        q_BTHD, k_BSHD, v_BSHD, mask=allowed, is_causal=causal
    )


def attention(
    q_BTHD: Any, k_BSHD: Any, v_BSHD: Any, mask: Any = None, *, causal: bool = False
) -> Any:
    """Computes softmax(q k^T / sqrt(d)) v: (b, t, h, d).

    On CPU these are two matrix products; causal attention is computed in chunks of
    queries.

    Args:
      q_BTHD, k_BSHD, v_BSHD: queries, keys and values.
      mask: 1 where a query attends to a key, broadcast to (b, 1, t, s); or None.
      causal: query t attends to keys up to t; `mask` must be None.

    Source: Vaswani et al. 2017, section 3.2.1.
    """
    assert mask is None or not causal
    if not on_cpu():
        return plain_attention(q_BTHD, k_BSHD, v_BSHD, mask, causal=causal)
    if causal:
        return _causal_in_chunks(q_BTHD, k_BSHD, v_BSHD)
    scores_BHTS = jnp.einsum("bthd,bshd->bhts", q_BTHD, k_BSHD)
    scores_BHTS *= q_BTHD.shape[-1] ** -0.5
    if mask is not None:
        scores_BHTS = jnp.where(mask > 0, scores_BHTS, MASKED_SCORE)
    wide = jnp.promote_types(scores_BHTS.dtype, jnp.float32)
    weights_BHTS = softmax(scores_BHTS.astype(wide))
    return jnp.einsum("bhts,bshd->bthd", weights_BHTS.astype(v_BSHD.dtype), v_BSHD)


def _causal_in_chunks(q_BTHD, k_BSHD, v_BSHD):
    """Causal attention in chunks of queries, which skips the keys after each chunk."""
    t, chunks = q_BTHD.shape[1], []
    size = max(MIN_CHUNK, -(-t // MAX_CHUNKS))
    for begin in range(0, t, size):
        end = min(begin + size, t)
        q, k, v = q_BTHD[:, begin:end], k_BSHD[:, :end], v_BSHD[:, :end]
        chunks.append(attention(q, k, v, causal_mask(begin, end - begin, end)))
    return jnp.concatenate(chunks, 1)


def causal_mask(position: Any, t: int, s: int) -> Any:
    """The causal mask (1, 1, t, s): each query attends to keys up to its own position.

    Args:
      position: position of the first query.
      t, s: number of queries and of keys.
    """
    queries_T = position + jnp.arange(t)
    return (jnp.arange(s)[None] <= queries_T[:, None])[None, None]
