"""Scaled dot-product attention.

Arrays carry their shape: B examples, T queries, S keys, H heads, D features of a head.
"""

from typing import Any

import jax
import jax.numpy as jnp

from dljax.ops.backend_forms import on_cpu
from dljax.ops.dense import softmax

MASKED_SCORE = -1e9  # the score of a key that is masked
MIN_CHUNK, MAX_CHUNKS = 64, 16  # queries of a chunk, chunks; of causal attention


def plain_attention(q_BTHD, k_BSHD, v_BSHD, mask=None, *, causal: bool = False) -> Any:
    """`attention` as the one operation of JAX."""
    allowed = None if mask is None else mask > 0
    return jax.nn.dot_product_attention(
        q_BTHD, k_BSHD, v_BSHD, mask=allowed, is_causal=causal
    )


def attention(
    q_BTHD: Any, k_BSHD: Any, v_BSHD: Any, mask: Any = None, *, causal: bool = False
) -> Any:
    """(b, t, h, d): for each query the mean of the values, weighted by softmax(q k).

    On CPU two products, of causal attention a chunk of queries at a time.

    Args:
      mask: 1 where a query may attend to a key, broadcast to (b, 1, t, s); or None.
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
    """A chunk of queries at a time: keys after the chunk are not computed."""
    t, chunks = q_BTHD.shape[1], []
    size = max(MIN_CHUNK, -(-t // MAX_CHUNKS))
    for begin in range(0, t, size):
        end = min(begin + size, t)
        q, k, v = q_BTHD[:, begin:end], k_BSHD[:, :end], v_BSHD[:, :end]
        chunks.append(attention(q, k, v, causal_mask(begin, end - begin, end)))
    return jnp.concatenate(chunks, 1)


def causal_mask(position: Any, t: int, s: int) -> Any:
    """The mask (1, 1, t, s) of queries at positions `position`, `position` + 1, ...:
    each attends to keys up to its own position.
    """
    queries_T = position + jnp.arange(t)
    return (jnp.arange(s)[None] <= queries_T[:, None])[None, None]
