"""Distances of generated text to real text, by counts of n-grams."""

import collections
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dljax.types import SampleEvaluator, Source

MAX_LENGTH = 4  # characters of an n-gram


def counts(rows: Any, n: int) -> collections.Counter:
    """Counts of n-grams in rows (b, t) of tokens; none spans two rows."""
    return collections.Counter(
        tuple(row[i : i + n]) for row in rows for i in range(len(row) - n + 1)
    )


def divergence(a: Mapping[Any, int], b: Mapping[Any, int]) -> float:
    """The Jensen-Shannon divergence of two counts, in bits: 0 alike, 1 disjoint.

    For two samples of one distribution it is above 0, and larger for smaller samples.
    Source: Lin 1991.
    """
    keys = list({**a, **b})
    p, q = (np.array([c.get(k, 0) for k in keys], float) for c in (a, b))
    p, q = p / p.sum(), q / q.sum()
    mean = (p + q) / 2

    def kl_to_mean(x):
        positive = x > 0
        return (x[positive] * np.log2(x[positive] / mean[positive])).sum()

    return float((kl_to_mean(p) + kl_to_mean(q)) / 2)


def markov_chain(rows: Any, count: int) -> np.ndarray:
    """`count` rows of a first-order Markov chain fitted to rows (n, t) of tokens, of
    the same length (Markov 1913); deterministic.
    """
    rows = np.asarray(rows)
    size = rows.max() + 1
    transitions = np.zeros((size, size))
    np.add.at(transitions, (rows[:, :-1], rows[:, 1:]), 1.0)
    transitions[transitions.sum(1) == 0] = 1.0  # tokens that only end rows
    cumulative = np.cumsum(transitions / transitions.sum(1, keepdims=True), 1)
    cumulative[:, -1] = 1.0
    rng = np.random.default_rng(0)
    columns = [rng.choice(rows.reshape(-1), count)]
    for _ in range(rows.shape[1] - 1):
        uniform = rng.random((count, 1))
        columns.append((cumulative[columns[-1]] < uniform).sum(1))
    return np.stack(columns, 1)


def text_sample_evaluator(
    source: Source,
    *,
    max_examples: int,
    lengths: Sequence[int] = range(1, MAX_LENGTH + 1),
) -> SampleEvaluator:
    """Evaluates samples "prediction", tokens (b, t), by the n-grams of real text.

    Reference: the first half of the test's "y". Samples are those of the other half,
    which they continue where the task has prompts. `ngramN`: the divergence of
    characters' N-grams; `ngrams`: the mean over all N. Each has baselines: "..._real",
    of the other half of the test, "..._chain", of a Markov chain fitted to the training
    text, and "..._shuffled", of the test's characters in random order.

    Args:
      source: its training examples are tokens "y" (n, t).
      max_examples: test examples that are scored at most.
    """

    @functools.cache
    def chain_rows(count: int) -> np.ndarray:
        rows = source.split(0)["train"]
        return markov_chain(source.gather(source.arrays, rows)["y"], count)

    def score(sample: Mapping[str, Any], seed: int) -> dict[str, float]:
        del seed
        half = len(sample["y"]) // 2
        later = slice(half, 2 * half)
        real, other = np.asarray(sample["y"][:half]), np.asarray(sample["y"][later])
        shuffled = np.random.default_rng(0).permutation(other.reshape(-1))
        rows_by_suffix = {
            "": np.asarray(sample["prediction"])[later, : real.shape[1]],
            "_real": other,
            "_chain": chain_rows(len(real)),
            "_shuffled": shuffled.reshape(other.shape),
        }
        scores: dict[str, float] = {}
        for suffix, rows in rows_by_suffix.items():
            divergences = [
                divergence(counts(rows, n), counts(real, n)) for n in lengths
            ]
            for n, value in zip(lengths, divergences, strict=True):
                scores[f"ngram{n}{suffix}"] = value
            scores[f"ngrams{suffix}"] = float(np.mean(divergences))
        return scores

    names = [
        name + suffix
        for suffix in ("", "_real", "_chain", "_shuffled")
        for name in (*(f"ngram{n}" for n in lengths), "ngrams")
    ]
    return SampleEvaluator(tuple(names), score, max_examples=max_examples)
