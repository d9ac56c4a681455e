"""Intervals and tests over seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats


class Interval(NamedTuple):
    """A mean over n seeds and its two-sided t interval; None where n < 2."""

    n: int
    mean: float
    low: float | None
    high: float | None


def interval(
    values: Sequence[float] | np.ndarray, *, confidence: float = 0.95
) -> Interval:
    """The t interval of a mean (Student 1908)."""
    x = np.asarray(values, float)
    n = len(x)
    if n < 2:
        return Interval(n, float(x.mean()) if n else float("nan"), None, None)
    half = stats.t.ppf(0.5 + confidence / 2, n - 1) * x.std(ddof=1) / np.sqrt(n)
    return Interval(n, float(x.mean()), float(x.mean() - half), float(x.mean() + half))


class Comparison(NamedTuple):
    """a minus b, paired by seed: the 95 % t interval, and the paired t test's p."""

    a: str
    b: str
    differences: tuple[float, ...]
    n: int
    difference: float
    ci_low: float | None
    ci_high: float | None
    p: float | None
    p_adjusted: float | None = None

    def above(self, margin: float) -> bool:
        """The whole interval lies above `margin`."""
        return self.ci_low is not None and self.ci_low > margin

    def below(self, margin: float) -> bool:
        """The whole interval lies below `margin`."""
        return self.ci_high is not None and self.ci_high < margin

    def within(self, margin: float) -> bool:
        """Equivalent to 0 at level 0.05: the 90 % interval lies in (-margin, margin).

        Two one-sided tests; Schuirmann 1987.
        """
        low, high = interval(self.differences, confidence=0.9)[2:]
        return low is not None and high is not None and -margin < low and high < margin


def compare(a: str, b: str, differences: Sequence[float]) -> Comparison:
    """Compares by the per-seed differences of a and b."""
    n, mean, low, high = interval(differences)
    p = None
    if n >= 2:
        constant = bool(np.ptp(differences) == 0)
        p = (
            float(mean == 0)
            if constant
            else float(stats.ttest_1samp(differences, 0)[1])
        )
    return Comparison(a, b, tuple(map(float, differences)), n, mean, low, high, p)


def holm(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Adds p values adjusted over the family of comparisons (Holm 1979)."""
    known = sorted((c.p, i) for i, c in enumerate(comparisons) if c.p is not None)
    adjusted: dict[int, float] = {}
    largest = 0.0
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[i] = largest
    return [c._replace(p_adjusted=adjusted.get(i)) for i, c in enumerate(comparisons)]
