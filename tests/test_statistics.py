"""Intervals, tests, contrasts and verdicts, on numbers whose answer is known."""

import numpy as np
import pytest
from scipy import stats

from dljax.studies import statistics
from dljax.studies.study import terms, variants


def test_interval_is_students():
    x = [0.1, 0.4, 0.35, 0.8]
    found = statistics.interval(x)
    low, high = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert found.n == 4
    np.testing.assert_allclose([found.low, found.high], [low, high])


def test_one_seed_has_no_interval():
    assert statistics.interval([0.5]) == (1, 0.5, None, None)
    c = statistics.compare("a", "b", [0.5])
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


def test_comparison_decides_by_its_interval():
    c = statistics.compare("a", "b", [1.0, 1.1, 0.9, 1.05])
    assert c.above(0.5)
    assert not c.above(1)
    assert not c.below(0)
    assert c.within(1.2)
    assert not c.within(0.5)
    assert c.p == pytest.approx(stats.ttest_1samp(c.differences, 0)[1])


def test_equal_differences_need_no_test():
    assert statistics.compare("a", "b", [0.0, 0.0]).p == 1
    assert statistics.compare("a", "b", [1.0, 1.0]).p == 0


def test_holm_adjusts_as_published():
    made = [
        statistics.compare("a", "b", [0, 1])._replace(p=p)
        for p in (0.01, 0.04, 0.03, 0.005)
    ]
    found = [c.p_adjusted for c in statistics.holm(made)]
    np.testing.assert_allclose(found, [0.03, 0.06, 0.06, 0.02])


def test_variants_and_terms():
    grid = variants({"a": (1, 2), "b": ("x", "y")})
    assert list(grid) == ["1/x", "1/y", "2/x", "2/y"]
    assert grid["2/x"] == {"a": 2, "b": "x"}
    assert terms("1/x - 2/y") == [(1, "1/x"), (-1, "2/y")]
