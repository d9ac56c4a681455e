"""How near generated text is to real text, by how often runs of tokens are there."""

import collections
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dljax.types import SampleEvaluator, Source

LONGEST = 4  # characters of a run


def counts(rows: Any, n: int) -> collections.Counter:
    """How often each run of n tokens is in rows (b, t) of tokens; none across rows."""
    return collections.Counter(
        tuple(row[i : i + n]) for row in rows for i in range(len(row) - n + 1)
    )


def divergence(a: Mapping[Any, int], b: Mapping[Any, int]) -> float:
    """The Jensen-Shannon divergence of two counts, in bits: 0 alike, 1 nothing shared.

    It is above 0 for two samples of one distribution, the more the smaller they are.
    Source: Lin 1991.
    """
    keys = list({**a, **b})
    p, q = (np.array([c.get(k, 0) for k in keys], float) for c in (a, b))
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2

    def to_middle(x):
        some = x > 0
        return (x[some] * np.log2(x[some] / middle[some])).sum()

    return float((to_middle(p) + to_middle(q)) / 2)


def chain(rows: Any, count: int) -> np.ndarray:
    """`count` rows of as many tokens as rows (n, t) have, each drawn by how often it
    follows the one before (Markov 1913); always the same.
    """
    rows = np.asarray(rows)
    size = rows.max() + 1
    follows = np.zeros((size, size))
    np.add.at(follows, (rows[:, :-1], rows[:, 1:]), 1.0)
    follows[follows.sum(1) == 0] = 1.0  # what ends rows alone
    up_to = np.cumsum(follows / follows.sum(1, keepdims=True), 1)
    up_to[:, -1] = 1.0
    rng = np.random.default_rng(0)
    drawn = [rng.choice(rows.reshape(-1), count)]
    for _ in range(rows.shape[1] - 1):
        at = rng.random((count, 1))
        drawn.append((up_to[drawn[-1]] < at).sum(1))
    return np.stack(drawn, 1)


def text_sample_evaluator(
    source: Source, *, max_examples: int, lengths: Sequence[int] = range(1, LONGEST + 1)
) -> SampleEvaluator:
    """Judges samples "prediction", tokens (b, t), by the first half of the test's "y";
    those that go on from the other half, where they go on from it.

    `ngramN`: the divergence of runs of N characters, and `ngrams`, the mean of all N;
    beside each its floors: "..._real", of the other half of the test, "..._chain", of
    what a `chain` of the training text draws, and "..._shuffled", of the test's
    characters in any order.

    Args:
      source: of which the training text is, as tokens "y" (n, t).
      max_examples: test examples that it is given at most.
    """

    @functools.cache
    def chained(count: int) -> np.ndarray:
        rows = source.split(0)["train"]
        return chain(source.gather(source.arrays, rows)["y"], count)

    def score(sample: Mapping[str, Any], seed: int) -> dict[str, float]:
        del seed
        half = len(sample["y"]) // 2
        later = slice(half, 2 * half)
        real, other = np.asarray(sample["y"][:half]), np.asarray(sample["y"][later])
        drawn = chained(len(real))
        shuffled = np.random.default_rng(0).permutation(other.reshape(-1))
        distances: dict[str, float] = {}
        for end, rows in (
            ("", np.asarray(sample["prediction"])[later, : real.shape[1]]),
            ("_real", other),
            ("_chain", drawn),
            ("_shuffled", shuffled.reshape(other.shape)),
        ):
            divergences = [
                divergence(counts(rows, n), counts(real, n)) for n in lengths
            ]
            distances |= {
                f"ngram{n}{end}": d for n, d in zip(lengths, divergences, strict=True)
            }
            distances[f"ngrams{end}"] = float(np.mean(divergences))
        return distances

    names = [
        name + end
        for end in ("", "_real", "_chain", "_shuffled")
        for name in (*(f"ngram{n}" for n in lengths), "ngrams")
    ]
    return SampleEvaluator(tuple(names), score, max_examples=max_examples)
