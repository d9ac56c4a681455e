"""Distances of generated text to real text, by n-gram counts."""

import collections
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dljax.types import SampleEvaluator, Source

MAX_LENGTH = 4  # the largest n


def counts(rows: Any, n: int) -> collections.Counter:
    """Counts the n-grams of rows (b, t) of tokens; none spans two rows."""
    return collections.Counter(
        tuple(row[i : i + n]) for row in rows for i in range(len(row) - n + 1)
    )


def divergence(a: Mapping[Any, int], b: Mapping[Any, int]) -> float:
    """Computes the Jensen-Shannon divergence of two counts in bits (Lin 1991).

    0: equal frequencies; 1: disjoint. The estimate is biased upwards for small samples.
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
    """Samples a first-order Markov chain fitted to rows of tokens; deterministic.

    Args:
      rows: int (n, t).
      count: the number of rows to sample.

    Returns:
      int (count, t).
    """
    rows = np.asarray(rows)
    size = rows.max() + 1
    transitions = np.zeros((size, size))
    np.add.at(transitions, (rows[:, :-1], rows[:, 1:]), 1.0)
    transitions[transitions.sum(1) == 0] = 1.0  # tokens only at the ends of rows
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
    """Returns an evaluator of generated text by n-gram divergences to real text.

    Reference: the first half of the test examples' "y". Samples: "prediction" (b, t) of
    the other half, which they continue if the task has prompts.

    Metrics: "ngramN" is the divergence of N-grams, "ngrams" the mean over all N. Each
    has three baselines: "..._real", the other half's "y"; "..._chain", a Markov chain
    fitted to the training text; "..._shuffled", the other half's tokens in random
    order.

    Args:
      source: a source with tokens "y" (b, t) in its batches.
      max_examples: the largest number of test examples to score.
      lengths: the values of N.
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
