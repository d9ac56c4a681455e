"""How near generated text is to real text, by how often runs of tokens are there."""

import collections
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dljax.contract import Judge

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


def judge_of_text(
    *, most: int, lengths: Sequence[int] = range(1, LONGEST + 1)
) -> Judge:
    """Judges samples "prediction", tokens (b, t), by the first half of the test's "y".

    `ngramN`: the divergence of runs of N characters, and `ngrams`, the mean of all N;
    beside each its floor, "..._real", of the other half of the test, and
    "..._shuffled", of that half's characters in any order. `way_to_shuffled`: where
    `ngrams` is between the two, 0 at other real text and 1 at shuffled.

    Args:
      most: test examples that it is given at most.
    """

    def score(sample: Mapping[str, Any]) -> dict[str, float]:
        half = len(sample["y"]) // 2
        real, other = np.asarray(sample["y"][:half]), np.asarray(sample["y"][half:])
        other = other[:half]
        shuffled = np.random.default_rng(0).permutation(other.reshape(-1))
        found: dict[str, float] = {}
        for end, rows in (
            ("", np.asarray(sample["prediction"])[:half, : real.shape[1]]),
            ("_real", other),
            ("_shuffled", shuffled.reshape(other.shape)),
        ):
            each = [divergence(counts(rows, n), counts(real, n)) for n in lengths]
            found |= {f"ngram{n}{end}": d for n, d in zip(lengths, each, strict=True)}
            found[f"ngrams{end}"] = float(np.mean(each))
        beyond, whole = (
            found[f"ngrams{end}"] - found["ngrams_real"] for end in ("", "_shuffled")
        )
        return {**found, "way_to_shuffled": beyond / whole}

    names = [
        name + end
        for end in ("", "_real", "_shuffled")
        for name in (*(f"ngram{n}" for n in lengths), "ngrams")
    ]
    return Judge((*names, "way_to_shuffled"), score, most=most)
