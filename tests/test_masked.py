"""Masked diffusion of tokens, and distances between texts, by closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import table

from dljax.metrics import ngrams
from dljax.tasks.masked import masked
from dljax.training.optimizers import sgd
from dljax.types import Net

SHARES = np.array([0.5, 0.3, 0.2])
LENGTH = 12


def task(steps=6):
    """The net outputs the tokens' frequencies for any input."""

    def init(key, example):
        del key, example
        return {"logits": jnp.log(jnp.asarray(SHARES, jnp.float32))}, {}

    def apply(params, model_state, y, *, key, train):
        del key, train
        return jnp.broadcast_to(params["logits"], (*y.shape, 3)), model_state

    example = jnp.zeros((1, LENGTH), jnp.int32)
    net, options = Net(init, apply), {"vocabulary_size": 3, "mask_key": "y_mask"}
    return masked(net, sgd(0.0), example=example, steps=steps, **options)


def test_the_bound_of_independent_tokens_is_their_likelihood():
    ours = task()
    params, model_state = ours.init(jax.random.key(0))
    y = np.random.default_rng(0).choice(3, (4000, LENGTH), p=SHARES)
    padding = np.arange(LENGTH) >= LENGTH - 2
    batch = {
        "y": jnp.where(padding, 2, y),
        "y_mask": jnp.broadcast_to(1.0 - padding, y.shape),
        "weight": jnp.ones(len(y)),
    }
    total, count = ours.metrics(params, model_state, batch, jax.random.key(1))["loss"]
    right = -np.log(SHARES)[y].mean()
    assert float(total / count) == pytest.approx(right, rel=0.03)
    loss, _ = ours.turns[0].loss(params, model_state, batch, jax.random.key(2), 0)
    assert float(loss) == pytest.approx(right, rel=0.03)


@pytest.mark.parametrize("steps", [1, 6])
def test_generation_follows_the_distribution_and_leaves_no_mask(steps):
    ours = task(steps)
    params, model_state = ours.init(jax.random.key(0))
    batch = {"y": jnp.zeros((500, LENGTH), jnp.int32)}
    samples = ours.sample(params, model_state, batch, jax.random.key(1))["prediction"]
    assert samples.shape == (500, LENGTH)
    counts = np.bincount(np.asarray(samples).reshape(-1), minlength=4)
    assert counts[3] == 0
    np.testing.assert_allclose(counts[:3] / counts.sum(), SHARES, atol=0.03)


def test_divergences_by_hand():
    rows = np.array([[1, 2, 1], [2, 2, 2]])
    assert ngrams.counts(rows, 2) == {(1, 2): 1, (2, 1): 1, (2, 2): 2}
    assert ngrams.divergence({"a": 3, "b": 1}, {"a": 6, "b": 2}) == 0
    assert ngrams.divergence({"a": 3}, {"b": 5}) == pytest.approx(1)
    p, q, m = np.array([0.75, 0.25]), np.array([0.25, 0.75]), np.array([0.5, 0.5])
    right = ((p * np.log2(p / m)).sum() + (q * np.log2(q / m)).sum()) / 2
    assert ngrams.divergence({"a": 3, "b": 1}, {"a": 1, "b": 3}) == pytest.approx(right)


def test_a_markov_chain_has_the_transitions_of_its_text():
    rows = np.array([[0, 1, 2, 0, 1, 3], [1, 2, 0, 1, 2, 4]])
    samples = ngrams.markov_chain(rows, 3000)
    assert samples.shape == (3000, 6)
    pairs = ngrams.counts(samples, 2)
    from_1 = {b: n for (a, b), n in pairs.items() if a == 1}
    assert set(from_1) == {2, 3}
    assert from_1[2] / sum(from_1.values()) == pytest.approx(3 / 4, abs=0.02)
    assert {b for a, b in pairs if a == 0} == {1}
    first = np.bincount(samples[:, 0], minlength=5) / 3000
    np.testing.assert_allclose(first, np.bincount(rows.reshape(-1)) / 12, atol=0.03)


def test_text_is_compared_with_real_chained_and_shuffled_text():
    text = np.array([i % 5 for i in range(2000)]).reshape(100, 20)
    source = table({"y": text}, train=100, valid=0)
    evaluator = ngrams.text_sample_evaluator(source, max_examples=100, lengths=(1, 2))
    scores = evaluator.score({"y": text, "prediction": text}, 0)
    assert set(scores) == set(evaluator.names)
    assert scores["ngrams"] == scores["ngrams_real"] == 0
    assert scores["ngram1_shuffled"] == 0  # single characters do not change
    assert scores["ngram2_shuffled"] > 0.3
    rng = np.random.default_rng(1)
    mixed = rng.permutation(text.reshape(-1)).reshape(text.shape)
    scores = evaluator.score({"y": text, "prediction": mixed}, 0)
    assert scores["ngrams"] == pytest.approx(scores["ngrams_shuffled"], rel=0.1)
    assert (
        scores["ngrams_chain"] < 0.1 * scores["ngrams"]
    )  # a chain has the text's bigrams
