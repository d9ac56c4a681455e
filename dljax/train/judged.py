"""What is measured of samples on the host, by whatever takes strings or files."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from dljax.contract import Batch, Judge


def judged(judge: Judge, shown: Batch, lengths: Sequence[int]) -> dict[str, Any]:
    """{name: (sum (s,), count (s,))} of samples (s, n, ...), run by run.

    Args:
      lengths: how many of the n samples each run has.
    """
    host = jax.device_get(shown)
    scores = [
        judge.score({name: array[i][:n] for name, array in host.items()})
        for i, n in enumerate(lengths)
    ]
    found = {name: np.array([one[name] for one in scores]) for name in judge.names}
    return {name: (value, np.ones_like(value)) for name, value in found.items()}
