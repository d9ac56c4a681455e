"""Intervals and tests over seeds.

Three limits:

* The exact paired sign-flip test on n seeds has no p below 2 / 2^n. So a family of m
  comparisons needs `seeds_needed(m)` seeds for a verdict.
* Bootstrap intervals (BCa) of few seeds cover less than their nominal level. They are
  computed from 20 seeds on.
* Seeds that share data (folds) are not independent. Their variance is corrected after
  Nadeau and Bengio (2003) by `test_train_ratio`, test over training examples.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

ALPHA = 0.05
BCA_FROM = 20  # seeds; measured coverage with 8 seeds: 0.88 instead of 0.95
FLIPS = 1 << 17  # sign flips sampled if 2^n is larger


class Interval(NamedTuple):
    """A mean over n seeds and its two-sided t interval; None if n < 2."""

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
    """Computes the t interval of a mean (Student 1908).

    Args:
      values: one value per seed.
      test_train_ratio: test over training examples if seeds share data, else 0. The
        variance of the mean is (1/n + test_train_ratio) times that of the values
        (Nadeau and Bengio 2003, eq. 9).
    """
    x = np.asarray(values, float)
    n = len(x)
    if n < 2:
        return Interval(n, float(x.mean()) if n else float("nan"), None, None)
    half = stats.t.ppf(0.5 + confidence / 2, n - 1) * _error(x, test_train_ratio)
    return Interval(n, float(x.mean()), float(x.mean() - half), float(x.mean() + half))


def _error(x: np.ndarray, test_train_ratio: float) -> float:
    """Returns the standard error of the mean."""
    return float(x.std(ddof=1) * np.sqrt(1 / len(x) + test_train_ratio))


class Summary(NamedTuple):
    """Statistics of one variant over its seeds.

    n: the number of seeds with a value. sd: the standard deviation.
    ci_low, ci_high: the 95 % t interval of the mean.
    bca_low, bca_high: the 95 % bootstrap interval (BCa); None below 20 seeds.
    solved: if all values are 0 or 1, the share of ones and its exact 95 % interval
      (Clopper and Pearson 1934); else None.
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
    """Summarises a variant's values over its seeds.

    Args:
      values: one value per seed.
      test_train_ratio: as for `interval`.
    """
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
    """The comparison a minus b, paired by seed.

    differences: one per seed. n: the number of seeds. difference: the mean.
    ci_low, ci_high: the 95 % t interval of the difference.
    effect: Cohen's d of the differences.
    p: two-sided p value of no difference, from the sign-flip test (exact up to 17
      seeds), or from the corrected t test if seeds share data.
    seeds_for_power: see `seeds_for_power`.
    p_adjusted: p after Holm's procedure over the family and its looks.
    alpha: the level of `simultaneous_ci`: 0.05 over the comparisons and looks.
    needed: the number of seeds that a verdict needs, see `seeds_needed`.

    Rules test a difference from 0 by `p_adjusted` and a margin by `simultaneous_ci`,
    because Holm's procedure has no simultaneous intervals of its own.
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
        """Whether there are enough seeds for a verdict."""
        return self.n >= max(self.needed, 2)

    @property
    def simultaneous_ci(self) -> Interval:
        """The interval that holds jointly with the family's others (Bonferroni)."""
        return self._interval(1 - self.alpha)

    def _interval(self, confidence: float) -> Interval:
        return interval(
            self.differences,
            confidence=confidence,
            test_train_ratio=self.test_train_ratio,
        )

    @property
    def in_noise(self) -> bool:
        """Whether the difference is not significant: adjusted p above 0.05, or too few
        seeds.
        """
        significant = self.p_adjusted is not None and self.p_adjusted <= ALPHA
        return not (significant and self.decides)

    def above(self, margin: float) -> bool:
        """Whether a - b is above `margin`.

        Above 0: by the adjusted test. Above a positive margin: by the adjusted test and
        by `simultaneous_ci`. Above a negative margin: by one of the two.
        """
        if not self.decides or self.simultaneous_ci.low is None:
            return False
        positive = not self.in_noise and self.difference > 0
        beyond = self.simultaneous_ci.low > margin
        if margin >= 0:
            return positive and (margin == 0 or beyond)
        return positive or beyond

    def below(self, margin: float) -> bool:
        """Whether a - b is below `margin`: b - a is above -margin, see `above`."""
        return self.negated.above(-margin)

    @property
    def negated(self) -> "Comparison":
        """The comparison b minus a."""
        return self._replace(
            a=self.b,
            b=self.a,
            differences=tuple(-x for x in self.differences),
            difference=-self.difference,
        )

    def within(self, margin: float) -> bool:
        """Whether a - b is equivalent to 0 within `margin`: two one-sided tests
        (Schuirmann 1987), each at level `alpha`.
        """
        _, _, low, high = self._interval(1 - 2 * self.alpha)
        if low is None or high is None or not self.decides:
            return False
        return -margin < low and high < margin


def compare(
    a: str, b: str, differences: Sequence[float], *, test_train_ratio: float = 0.0
) -> Comparison:
    """Compares a and b by their differences per seed; `holm` adjusts a family.

    Args:
      a, b: names of the two sides.
      differences: a minus b, one per seed.
      test_train_ratio: as for `interval`.
    """
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
    """Returns the two-sided p of the paired sign-flip test (Fisher 1935).

    The null hypothesis is a mean of 0. All 2^n flips are used up to n = 17, else 2^17
    sampled ones.

    Args:
      x: differences, one per seed.
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
    """Returns the least number of seeds for which a paired t test at 0.05 has a power.

    Computed from the noncentral t distribution (Cohen 1988). statsmodels' `TTestPower`
    has no test_train_ratio, and does not converge for effects above 5.

    Args:
      effect: Cohen's d of the differences.
      power: the required power.
      test_train_ratio: as for `interval`.

    Returns:
      None if more than `max_seeds` are needed. If seeds share data, no number of seeds
      is enough for a small effect.
    """

    def has_power(n):
        noncentrality = abs(effect) / np.sqrt(1 / n + test_train_ratio)
        limit = stats.t.ppf(1 - ALPHA / 2, n - 1)
        return stats.nct.sf(limit, n - 1, noncentrality) >= power

    if effect == 0 or not has_power(max_seeds):
        return None
    low, high = 1, max_seeds  # the least number is in (low, high]
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if has_power(middle) else (middle, high)
    return high


def seeds_needed(comparisons: int) -> int:
    """Returns the least number of seeds for which Holm's first step can reject.

    Args:
      comparisons: the number of comparisons times the number of looks.
    """
    return math.ceil(math.log2(2 * comparisons / ALPHA))


def holm(comparisons: Sequence[Comparison], *, looks: int = 1) -> list[Comparison]:
    """Adjusts a family of comparisons: p after Holm (1979), intervals after Bonferroni.

    Args:
      looks: the number of declared looks (interim analyses). Each look uses an equal
        share of ALPHA, so that the error over all looks stays below ALPHA.
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
