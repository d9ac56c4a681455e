"""Metrics of samples that are computed on the host, by a `SampleEvaluator`."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from dljax.types import Batch, SampleEvaluator


def score_samples(
    evaluator: SampleEvaluator,
    samples: Batch,
    seeds: Sequence[int],
    lengths: Sequence[int],
) -> dict[str, Any]:
    """Scores samples (s, n, ...) run by run: {name: (sum (s,), count (s,))}.

    A run whose samples are not finite scores NaN in every metric.

    Args:
      lengths: how many of the n samples each run has; the rest is padding.
    """
    arrays = jax.device_get(samples)
    scores = []
    for i, (seed, length) in enumerate(zip(seeds, lengths, strict=True)):
        run = {name: array[i][:length] for name, array in arrays.items()}
        scores.append(
            evaluator.score(run, seed)
            if _is_finite(run)
            else dict.fromkeys(evaluator.names, np.nan)
        )
    metrics = {name: np.array([s[name] for s in scores]) for name in evaluator.names}
    return {name: (value, np.ones_like(value)) for name, value in metrics.items()}


def _is_finite(arrays: dict[str, np.ndarray]) -> bool:
    floats = [a for a in arrays.values() if np.issubdtype(a.dtype, np.floating)]
    return all(np.isfinite(array).all() for array in floats)
