"""What is measured of samples on the host, by whatever takes strings or files."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from dljax.types import Batch, SampleEvaluator


def judged(
    judge: SampleEvaluator, shown: Batch, seeds: Sequence[int], lengths: Sequence[int]
) -> dict[str, Any]:
    """{name: (sum (s,), count (s,))} of samples (s, n, ...), run by run.

    A run whose samples are not finite, as one that failed may make, has NaN for each.

    Args:
      lengths: how many of the n samples each run has.
    """
    host = jax.device_get(shown)
    scores = []
    for i, (seed, n) in enumerate(zip(seeds, lengths, strict=True)):
        its = {name: array[i][:n] for name, array in host.items()}
        numbers = [a for a in its.values() if np.issubdtype(a.dtype, np.floating)]
        finite = all(np.isfinite(array).all() for array in numbers)
        failed = dict.fromkeys(judge.names, np.nan)
        scores.append(judge.score(its, seed) if finite else failed)
    found = {name: np.array([one[name] for one in scores]) for name in judge.names}
    return {name: (value, np.ones_like(value)) for name, value in found.items()}
