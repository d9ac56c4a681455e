"""Intervals, tests and what they decide, on numbers whose answer is known."""

import numpy as np
import pytest
from scipy import stats

from dljax.studies import statistics


def test_interval_is_students():
    x = [0.1, 0.4, 0.35, 0.8]
    ci = statistics.interval(x)
    low, high = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert ci.n == 4
    np.testing.assert_allclose([ci.low, ci.high], [low, high])


def test_one_seed_has_no_interval():
    assert statistics.interval([0.5]) == (1, 0.5, None, None)
    (c,) = statistics.holm([statistics.compare("a", "b", [0.5])])
    assert c.p is None
    assert not c.above(0)
    assert not c.within(10)


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = [
        (i := statistics.interval(rng.normal(3, 2, 8))).low < 3 < i.high
        for _ in range(4000)
    ]
    assert abs(np.mean(hits) - 0.95) < 0.015


def test_folds_that_share_data_widen_the_interval():
    x = [0.1, 0.4, 0.35, 0.8]
    plain, wide = statistics.interval(x), statistics.interval(x, test_train_ratio=1 / 3)
    ratio = (wide.high - wide.low) / (plain.high - plain.low)
    assert ratio == pytest.approx(np.sqrt((1 / 4 + 1 / 3) / (1 / 4)))


def test_summaries_of_few_and_many_seeds():
    rng = np.random.default_rng(0)
    few, many = (statistics.summarise(rng.normal(size=n)) for n in (8, 20))
    assert few.bca_low is None
    assert many.bca_low < many.mean < many.bca_high
    x = rng.normal(size=20)
    reference = stats.bootstrap(
        (x,), np.mean, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    assert statistics.summarise(x)[6:8] == pytest.approx(tuple(reference))
    assert many.solved is None
    share, low, high = statistics.summarise([1, 1, 0, 1, 1, 1, 1, 1]).solved
    # Clopper and Pearson for 7 of 8, from the beta quantiles.
    assert share == 7 / 8
    assert low == pytest.approx(stats.beta.ppf(0.025, 7, 2))
    assert high == pytest.approx(stats.beta.ppf(0.975, 8, 1))
    assert statistics.summarise([]).mean is None
    assert statistics.summarise([0.5]).sd is None


def decided(differences, family=1):
    c = statistics.compare("a", "b", differences)
    return statistics.holm([c] * family)[0]


EIGHT = [1.0, 1.1, 0.9, 1.05, 0.95, 1.02, 1.08, 0.97]


def test_comparison_decides_by_its_simultaneous_interval():
    c = decided(EIGHT)
    assert c.above(0.5)
    assert not c.above(1)
    assert not c.below(0)
    assert c.within(1.2)
    assert not c.within(0.5)
    assert not c.in_noise
    assert c.p == pytest.approx(2 / 2**8)
    wide = decided(EIGHT, family=3)
    assert wide.alpha == pytest.approx(0.05 / 3)
    assert wide.simultaneous_ci.low < c.simultaneous_ci.low


def test_too_few_seeds_decide_nothing():
    assert [statistics.seeds_needed(m) for m in (1, 3, 10)] == [6, 7, 9]
    c = decided(EIGHT[:5])
    assert not c.decides
    assert not c.above(0)
    assert not c.within(10)
    assert c.in_noise
    assert decided(EIGHT[:6]).above(0)


def test_sign_flips_are_exact_for_few_seeds():
    rng = np.random.default_rng(1)
    x = rng.normal(0.4, 1, 9)
    signs = np.array(np.meshgrid(*[[1, -1]] * 9)).reshape(9, -1)
    means = (signs * x[:, None]).mean(0)
    exact = (np.abs(means) >= abs(x.mean()) - 1e-12).mean()
    assert statistics.sign_flip(x) == pytest.approx(exact)


def test_the_corrected_t_test_is_student_where_nothing_is_shared():
    x = np.array(EIGHT) - 1
    p = statistics._corrected_t(x, 0.0)
    assert p == pytest.approx(stats.ttest_1samp(x, 0)[1])
    assert statistics._corrected_t(x, 0.5) > p


def test_seeds_for_power_are_the_published_ones():
    # Cohen 1988, two-sided 0.05, power 0.8, one sample or paired: d 0.2, 0.5, 0.8.
    assert [statistics.seeds_for_power(d) for d in (0.2, 0.5, 0.8)] == [199, 34, 15]
    assert statistics.seeds_for_power(0.0) is None
    assert statistics.seeds_for_power(0.5, test_train_ratio=0.5) is None


def test_equal_differences_need_no_test():
    assert statistics.compare("a", "b", [0.0, 0.0]).p == 1
    assert statistics.compare("a", "b", [0.0, 0.0]).effect is None


def with_p(*values):
    return [statistics.compare("a", "b", EIGHT)._replace(p=p) for p in values]


def test_holm_adjusts_as_published():
    adjusted = statistics.holm(with_p(0.01, 0.04, 0.03, 0.005))
    p_adjusted = [c.p_adjusted for c in adjusted]
    np.testing.assert_allclose(p_adjusted, [0.03, 0.06, 0.06, 0.02])
    assert [c.in_noise for c in adjusted] == [False, True, True, False]
    assert {c.alpha for c in adjusted} == {0.05 / 4}, "intervals are Bonferroni's"


def test_margins_are_read_from_the_interval_and_0_from_the_test():
    c, noisy = (c._replace(needed=2) for c in with_p(0.01, 0.01))
    c, noisy = c._replace(p_adjusted=0.01), noisy._replace(p_adjusted=0.06)
    low, high = c.simultaneous_ci.low, c.simultaneous_ci.high
    assert [c.above(x) for x in (0, low - 0.01, low + 0.01)] == [True, True, False]
    assert [noisy.above(x) for x in (-0.01, 0, low - 0.01)] == [True, False, False]
    negated = c.negated.simultaneous_ci
    assert (negated.low, negated.high) == pytest.approx((-high, -low))
    assert [c.negated.below(x) for x in (0, -low + 0.01, -low - 0.01)] == [
        *(True, True, False)
    ]
    assert not c.negated.above(0)
    assert c.below(high + 0.01)
    assert not c.below(high - 0.01)
    assert not c.below(0)


@pytest.mark.parametrize("family", [2, 3, 6])
def test_simultaneous_intervals_hold_together_whatever_is_true(family):
    rng, misses = np.random.default_rng(family), 0
    true = np.arange(family) * 0.7  # one null, the others real
    c = decided(EIGHT, family)
    for _ in range(2000):
        x = rng.normal(true[:, None], 1, (family, 10))
        cis = [c._replace(differences=tuple(row)).simultaneous_ci for row in x]
        misses += any(not s.low < t < s.high for s, t in zip(cis, true, strict=True))
    assert stats.binomtest(misses, 2000).proportion_ci(0.98).low < 0.05


def test_looks_share_the_error():
    once, thrice = (statistics.holm(with_p(0.01), looks=n)[0] for n in (1, 3))
    assert thrice.alpha == pytest.approx(once.alpha / 3)
    assert thrice.p_adjusted == pytest.approx(0.03)
    assert thrice.needed > once.needed


@pytest.mark.long
@pytest.mark.parametrize("seeds", [8, 10])
def test_a_family_without_effects_is_rarely_decided(seeds):
    rng = np.random.default_rng(0)
    wrong, families = 0, 2000
    for _ in range(families):
        x = rng.normal(size=(4, seeds))
        gap, other = x[0] - x[1], x[2] - x[3]
        family = [statistics.compare("a", "b", d) for d in (gap, gap - other, other)]
        wrong += any(not c.in_noise for c in statistics.holm(family))
    upper = stats.binomtest(wrong, families).proportion_ci(0.98).high
    print(f"{seeds} seeds: error {wrong / families:.4f}, at most {upper:.4f} (99 %)")
    assert upper < 0.06


@pytest.mark.long
def test_looking_again_keeps_the_error():
    rng = np.random.default_rng(0)
    wrong, studies = 0, 1500
    for _ in range(studies):
        x = rng.normal(size=16)
        looks = (statistics.compare("a", "b", x[:n]) for n in (8, 16))
        wrong += any(not statistics.holm([c], looks=2)[0].in_noise for c in looks)
    upper = stats.binomtest(wrong, studies).proportion_ci(0.98).high
    print(f"two looks: error {wrong / studies:.4f}, at most {upper:.4f} (99 %)")
    assert upper < 0.06


# From statsmodels 0.15.0, which is not installed for the tests: DescrStatsW,
# multipletests, proportion_confint and TTestPower on these numbers.
TEN = [0.61, -0.2, 0.9, 1.4, 0.3, 0.75, -0.1, 1.05, 0.42, 0.66]


def test_numbers_are_those_of_statsmodels():
    ci = statistics.interval(TEN)
    assert ci[1:] == pytest.approx((0.579, 0.22478073066, 0.93321926934))
    strict = statistics.interval(TEN, confidence=1 - 0.05 / 3)
    assert strict[2:] == pytest.approx((0.11968623860, 1.03831376140))
    assert statistics._corrected_t(np.array(TEN), 0.0) == pytest.approx(0.0049382845)
    # Two one-sided tests: p 0.0124 for the margin 1, and 0.0353 for 0.9.
    (c,) = statistics.holm([statistics.compare("a", "b", TEN)])
    for level, margins in ((0.0125, (True, False)), (0.036, (True, True))):
        at = c._replace(alpha=level)
        assert (at.within(1), at.within(0.9)) == margins
    p = (0.012, 0.004, 0.773, 0.03, 0.03)
    adjusted = [c.p_adjusted for c in statistics.holm(with_p(*p))]
    assert adjusted == pytest.approx([0.048, 0.02, 0.773, 0.09, 0.09])
    needed = {0.3: 89.149, 0.5: 33.367, 0.8: 14.303, 1.2: 7.588, 2.0: 4.221}
    for effect, seeds in needed.items():
        assert statistics.seeds_for_power(effect) == np.ceil(seeds)
    for solved, n, low, high in (
        (0, 8, 0, 0.36941665),
        (13, 20, 0.40781147, 0.8460908),
    ):
        share = statistics.summarise([1] * solved + [0] * (n - solved)).solved
        assert share == pytest.approx((solved / n, low, high))
