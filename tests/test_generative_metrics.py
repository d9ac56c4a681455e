"""Distances of generated images to real ones, against closed forms."""

import numpy as np
import pytest
from scipy import linalg

from dljax.metrics import generative_metrics


def gaussian(n, mean, scale, seed):
    rng = np.random.default_rng(seed)
    return mean + rng.normal(size=(n, len(mean))) @ scale


MEAN = np.array([1.0, -2.0, 0.5])
SCALE = np.array([[1.0, 0.3, 0.0], [0.0, 0.7, 0.2], [0.1, 0.0, 2.0]])


def test_frechet_equals_closed_form_of_gaussians():
    a, b = gaussian(40_000, 0 * MEAN, np.eye(3), 0), gaussian(40_000, MEAN, SCALE, 1)
    covariance = SCALE.T @ SCALE
    root = linalg.sqrtm(covariance)
    expected = MEAN @ MEAN + np.trace(np.eye(3) + covariance - 2 * root.real)
    assert generative_metrics.frechet_distance(a, b) == pytest.approx(
        expected, rel=0.03
    )
    assert generative_metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-8)


def test_kernel_distance_is_unbiased_and_grows():
    pairs = [
        (gaussian(50, MEAN, SCALE, s), gaussian(50, MEAN, SCALE, s + 100))
        for s in range(60)
    ]
    alike = np.array([generative_metrics.kernel_distance(*pair) for pair in pairs])
    assert abs(alike.mean()) < 3 * alike.std() / len(alike) ** 0.5
    assert alike.min() < 0 < alike.max()
    near, far = (
        generative_metrics.kernel_distance(pairs[0][0] + d, pairs[0][1]) for d in (1, 2)
    )
    assert alike.max() < near < far


def test_kernel_distance_equals_double_sum(monkeypatch):
    a, b = gaussian(7, MEAN, SCALE, 0), gaussian(5, 0 * MEAN, SCALE, 1)

    def k(x, y):
        return (x @ y / 3 + 1) ** 3

    def mean(x, y, *, apart):
        kernels = [
            k(p, q)
            for i, p in enumerate(x)
            for j, q in enumerate(y)
            if not apart or i != j
        ]
        return np.mean(kernels)

    expected = mean(a, a, apart=True) + mean(b, b, apart=True)
    expected -= 2 * mean(a, b, apart=False)
    monkeypatch.setattr(generative_metrics, "CHUNK", 3)
    assert generative_metrics.kernel_distance(a, b) == pytest.approx(expected)


def test_precision_counts_samples_and_recall_real_images():
    real = gaussian(300, np.zeros(2), np.eye(2), 0)
    one_side = gaussian(300, np.zeros(2), 0.1 * np.eye(2), 1)
    precision, recall = generative_metrics.precision_recall(one_side, real)
    assert precision > 0.95
    assert recall < 0.2
    assert min(generative_metrics.precision_recall(real, real)) == 1
    assert max(generative_metrics.precision_recall(real + 100, real)) == 0


def test_gaussian_baseline_has_mean_and_covariance():
    images = 0.5 + 0.05 * gaussian(4000, 0 * MEAN, SCALE, 0).reshape(-1, 3, 1)
    generated = generative_metrics.gaussian_images(images, 4000)
    assert generated.shape == images.shape
    a, b = (x.reshape(-1, 3) for x in (generated, images))
    np.testing.assert_allclose(a.mean(0), b.mean(0), atol=0.01)
    expected = np.cov(b, rowvar=False)
    np.testing.assert_allclose(
        np.cov(a, rowvar=False), expected, atol=0.1 * expected.max()
    )


def test_shares_and_neighbours():
    assert generative_metrics.class_shares([2, 0, 2, 2], 4).tolist() == [
        0.25,
        0,
        0.75,
        0,
    ]
    real = np.arange(12.0).reshape(6, 2, 1)
    generated = real[[4, 1]] + 0.1
    assert generative_metrics.nearest_neighbors(generated, real).tolist() == [4, 1]
