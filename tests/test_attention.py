"""Attention: rotary positions, chunks of queries, and the plain operation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax.models.attention import apply_rotary_embedding
from dljax.ops import attention as attention_ops
from dljax.ops.attention import attention

T = 5


def test_rotary_positions_turn_pairs_as_complex_numbers():
    """Source: Su et al. 2021, section 3.2.1, with halves of a head for pairs."""
    x = np.random.default_rng(0).normal(size=(2, T, 3, 8))
    pairs = x[..., :4] + 1j * x[..., 4:]
    places = np.array([0, 3, 1, 70, 5])
    angles = places[:, None] * 10_000.0 ** (-2 * np.arange(4) / 8)
    rotated = pairs * np.exp(1j * angles)[:, None]
    expected = np.concatenate([rotated.real, rotated.imag], -1)
    actual = apply_rotary_embedding(jnp.asarray(x, jnp.float32), jnp.asarray(places))
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_rotary_positions_are_relative():
    q, k = jax.random.normal(jax.random.key(0), (2, 1, T, 1, 8))

    def scores(first):
        positions = first + jnp.arange(T)
        q_k = (apply_rotary_embedding(x, positions) for x in (q, k))
        return jnp.einsum("bthd,bshd->ts", *q_k)

    np.testing.assert_allclose(scores(0), scores(100), atol=1e-4)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_of_accelerators_equals_that_of_cpus(monkeypatch, masked):
    q, k, v = jax.random.normal(jax.random.key(0), (3, 2, T, 2, 8))
    mask = jnp.tri(T)[None, None] if masked else None
    expected = attention(q, k, v, mask)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    np.testing.assert_allclose(attention(q, k, v, mask), expected, atol=1e-5)
    actual = attention(q, k, v, causal=masked)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


LONG_CHUNKS = [pytest.param(*c, marks=pytest.mark.long) for c in ((1, 9), (1, 2))]


@pytest.mark.parametrize(("min_chunk", "max_chunks"), [(2, 9), (T, 9), *LONG_CHUNKS])
def test_causal_attention_in_chunks_equals_masked(monkeypatch, min_chunk, max_chunks):
    monkeypatch.setattr(attention_ops, "MIN_CHUNK", min_chunk)
    monkeypatch.setattr(attention_ops, "MAX_CHUNKS", max_chunks)
    q, k, v, g = jax.random.normal(jax.random.key(0), (4, 2, T, 2, 8))
    actual, vjp_actual = jax.vjp(functools.partial(attention, causal=True), q, k, v)
    masked = functools.partial(attention, mask=jnp.tri(T)[None, None])
    expected, vjp_expected = jax.vjp(masked, q, k, v)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    for a, b in zip(vjp_actual(g), vjp_expected(g), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
