"""Metrics of samples that a `SampleEvaluator` computes on the host."""

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
    """Evaluates samples run by run: {metric: (sum (s,), count (s,))}.

    A run with non-finite samples scores NaN in all metrics.

    Args:
      evaluator: computes the metrics of one run.
      samples: {name: array (s, n, ...)}.
      seeds: the seed of each run.
      lengths: how many of the n samples belong to each run; the rest is padding.
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
