"""Intervals and tests over seeds, and the verdicts that they allow.

Three limits:

* an exact paired sign-flip test on n seeds has no p below 2 / 2^n, so a family of m
  comparisons needs `seeds_needed(m)` seeds for any verdict; fewer are *descriptive*;
* bootstrap intervals (BCa) of few seeds cover too little; offered from n = 20;
* seeds that share data (folds) are not independent; their variance is corrected after
  Nadeau and Bengio 2003 by `test_train_ratio`: test over training examples.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

ALPHA = 0.05
BCA_FROM = 20  # seeds; at 8 it was measured to cover 0.88 instead of 0.95
FLIPS = 1 << 17  # sign flips drawn where there are more than these


class Interval(NamedTuple):
    """A mean over n seeds and its two-sided t interval; None where n < 2."""

    n: int
    mean: float
    low: float | None
    high: float | None


def interval(
    values: Sequence[float] | np.ndarray,
    *,
    confidence: float = 1 - ALPHA,
    test_train_ratio: float = 0.0,
) -> Interval:
    """The t interval of a mean (Student 1908).

    Args:
      test_train_ratio: test over training examples where seeds share data, else 0.
        The variance of the mean is then (1/n + test_train_ratio) times that of the
        values (Nadeau and Bengio 2003, eq. 9).
    """
    x = np.asarray(values, float)
    n = len(x)
    if n < 2:
        return Interval(n, float(x.mean()) if n else float("nan"), None, None)
    half = stats.t.ppf(0.5 + confidence / 2, n - 1) * _error(x, test_train_ratio)
    return Interval(n, float(x.mean()), float(x.mean() - half), float(x.mean() + half))


def _error(x: np.ndarray, test_train_ratio: float) -> float:
    """The standard error of the mean."""
    return float(x.std(ddof=1) * np.sqrt(1 / len(x) + test_train_ratio))


class Summary(NamedTuple):
    """One variant over its seeds. ci: t interval; bca: bootstrap, None where n < 20.

    solved: the share of ones where all values are 0 or 1, with its exact interval
    (Clopper and Pearson 1934), else None.
    """

    n: int
    mean: float | None
    sd: float | None
    median: float | None
    ci_low: float | None
    ci_high: float | None
    bca_low: float | None = None
    bca_high: float | None = None
    solved: tuple[float, float, float] | None = None


def summarise(values: Sequence[float], *, test_train_ratio: float = 0.0) -> Summary:
    """A variant's values over its seeds; `test_train_ratio` as for `interval`."""
    x = np.asarray(values, float)
    n, mean, low, high = interval(x, test_train_ratio=test_train_ratio)
    if n == 0:
        return Summary(0, None, None, None, None, None)
    sd = float(x.std(ddof=1)) if n > 1 else None
    bca: tuple[float | None, float | None] = (None, None)
    if n >= BCA_FROM and not test_train_ratio and np.ptp(x) > 0:
        ci = stats.bootstrap(
            (x,), np.mean, method="BCa", rng=np.random.default_rng(0)
        ).confidence_interval
        bca = (float(ci.low), float(ci.high))
    solved = None
    if np.isin(x, (0.0, 1.0)).all():
        k = int(x.sum())
        exact = stats.binomtest(k, n).proportion_ci(method="exact")
        solved = (k / n, float(exact.low), float(exact.high))
    return Summary(n, mean, sd, float(np.median(x)), low, high, *bca, solved)


class Comparison(NamedTuple):
    """a minus b, paired by seed.

    ci: the 95 % t interval. p: of the sign-flip test that there is no difference, exact
    up to 17 seeds, or where seeds share data of the corrected t test; p_adjusted: after
    Holm's procedure over the family and its looks. simultaneous_ci: the family's
    intervals hold together (Bonferroni, at the level `alpha`). effect: Cohen's d of the
    differences. seeds_for_power: how many seeds would show a difference of this size
    at 0.05 with power 0.8.

    Verdicts rest on p_adjusted for a difference from 0, and on `simultaneous_ci` for
    margins: Holm's own levels make no intervals that hold together.
    """

    a: str
    b: str
    differences: tuple[float, ...]
    n: int
    difference: float
    ci_low: float | None
    ci_high: float | None
    effect: float | None
    p: float | None
    seeds_for_power: int | None
    test_train_ratio: float = 0.0
    p_adjusted: float | None = None
    alpha: float = ALPHA
    needed: int = 2

    @property
    def decides(self) -> bool:
        """Whether the seeds are enough for a verdict; else it is descriptive."""
        return self.n >= max(self.needed, 2)

    @property
    def simultaneous_ci(self) -> Interval:
        """The simultaneous interval."""
        return self._interval(1 - self.alpha)

    def _interval(self, confidence: float) -> Interval:
        return interval(
            self.differences,
            confidence=confidence,
            test_train_ratio=self.test_train_ratio,
        )

    @property
    def in_noise(self) -> bool:
        """Whether the adjusted p is above 0.05, or the seeds are too few."""
        significant = self.p_adjusted is not None and self.p_adjusted <= ALPHA
        return not (significant and self.decides)

    def above(self, margin: float) -> bool:
        """Above 0 by the adjusted test, and above `margin` by `simultaneous_ci`."""
        if not self.decides or self.simultaneous_ci.low is None:
            return False
        positive = not self.in_noise and self.difference > 0
        beyond = self.simultaneous_ci.low > margin
        if margin >= 0:
            return positive and (margin == 0 or beyond)
        return positive or beyond

    def below(self, margin: float) -> bool:
        """Below 0 by the adjusted test, and below `margin` by `simultaneous_ci`."""
        return self.negated.above(-margin)

    @property
    def negated(self) -> "Comparison":
        """b minus a."""
        return self._replace(
            a=self.b,
            b=self.a,
            differences=tuple(-x for x in self.differences),
            difference=-self.difference,
        )

    def within(self, margin: float) -> bool:
        """Equivalent to 0: two one-sided tests (Schuirmann 1987) at level alpha."""
        _, _, low, high = self._interval(1 - 2 * self.alpha)
        if low is None or high is None or not self.decides:
            return False
        return -margin < low and high < margin


def compare(
    a: str, b: str, differences: Sequence[float], *, test_train_ratio: float = 0.0
) -> Comparison:
    """Compares a and b by their per-seed differences; `holm` adjusts a family."""
    x = np.asarray(differences, float)
    n, mean, low, high = interval(x, test_train_ratio=test_train_ratio)
    effect = p = power = None
    if n >= 2:
        sd = float(x.std(ddof=1))
        p = _corrected_t(x, test_train_ratio) if test_train_ratio else sign_flip(x)
        if sd > 0:
            effect = mean / sd
            power = seeds_for_power(effect, test_train_ratio=test_train_ratio)
    return Comparison(
        a,
        b,
        tuple(map(float, x)),
        n,
        mean,
        low,
        high,
        effect,
        p,
        power,
        test_train_ratio,
    )


def sign_flip(x: np.ndarray) -> float:
    """p of the paired sign-flip test that the mean is 0, two-sided.

    Exact over all 2^n flips up to n = 17, else over 2^17 drawn ones. (Fisher 1935.)
    """
    return float(
        stats.permutation_test(
            (np.asarray(x, float),),
            lambda sample, axis: np.mean(sample, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=FLIPS,
            rng=np.random.default_rng(0),
        ).pvalue
    )


def _corrected_t(x: np.ndarray, test_train_ratio: float) -> float:
    error = _error(x, test_train_ratio)
    if error == 0:
        return float(x.mean() == 0)
    return float(2 * stats.t.sf(abs(x.mean()) / error, len(x) - 1))


def seeds_for_power(
    effect: float,
    *,
    power: float = 0.8,
    test_train_ratio: float = 0.0,
    max_seeds: int = 10_000,
) -> int | None:
    """The least number of seeds with which a paired t test at 0.05 has this power.

    By the noncentral t distribution (Cohen 1988). statsmodels' `TTestPower` has no
    test_train_ratio, and does not converge for effects above 5.

    Args:
      effect: Cohen's d of the differences.

    Returns:
      None where `max_seeds` are too few; seeds that share data never suffice for a
      small effect.
    """

    def has_power(n):
        noncentrality = abs(effect) / np.sqrt(1 / n + test_train_ratio)
        limit = stats.t.ppf(1 - ALPHA / 2, n - 1)
        return stats.nct.sf(limit, n - 1, noncentrality) >= power

    if effect == 0 or not has_power(max_seeds):
        return None
    low, high = 1, max_seeds  # the least is in (low, high]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if has_power(middle) else (middle, high)
    return high


def seeds_needed(comparisons: int) -> int:
    """The least number of seeds whose sign-flip test can pass Holm's first step."""
    return math.ceil(math.log2(2 * comparisons / ALPHA))


def holm(comparisons: Sequence[Comparison], *, looks: int = 1) -> list[Comparison]:
    """Adjusts a family: p values after Holm (1979), intervals after Bonferroni.

    Args:
      looks: how many times the study may be judged, at declared numbers of seeds. Each
        look gets an equal share of ALPHA, which keeps the error of all together.
    """
    m = len(comparisons)
    p_values = sorted((c.p, i) for i, c in enumerate(comparisons) if c.p is not None)
    level, needed = ALPHA / looks / max(m, 1), seeds_needed(max(m, 1) * looks)
    adjusted = [c._replace(alpha=level, needed=needed) for c in comparisons]
    largest = 0.0
    for rank, (p, i) in enumerate(p_values):
        largest = max(largest, min(1.0, (m - rank) * looks * p))
        adjusted[i] = adjusted[i]._replace(p_adjusted=largest)
    return adjusted
