"""Corruptions against SciPy; higher severity changes images more."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import in_turn
from scipy import ndimage, stats

from dljax.interpret import corrupt
from dljax.interpret.corrupt import CORRUPTIONS, SEVERITIES, severities

KEY = jax.random.key(3)
EVERY = pytest.mark.parametrize("name", list(CORRUPTIONS))
X = np.random.default_rng(0).random((16, 12, 12, 2)).astype(np.float32)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@EVERY
def test_higher_severity_changes_more(name):
    def corrupted(severity):
        return CORRUPTIONS[name](KEY, X, severity)

    levels = (0.0, *severities(name, 12))
    several = np.asarray(jax.jit(jax.vmap(corrupted))(jnp.array(levels)))
    np.testing.assert_array_equal(several[0], X)
    assert several.min() >= 0
    assert several.max() <= 1
    for level, image in zip(levels, several, strict=True):
        close(image, corrupted(level))
    # A disc that is brighter on one side: in noise all shifts are equally far.
    y, x = np.mgrid[:12, :12] - 5.5
    disc = (np.hypot(y, x) < 5) * (1 + np.cos(np.arctan2(y, x))) / 2
    disc = jnp.repeat(jnp.asarray(disc, jnp.float32).reshape(1, 12, 12, 1), 64, 0)
    changed = [
        float(jnp.abs(CORRUPTIONS[name](KEY, disc, level) - disc).mean())
        for level in levels
    ]
    assert (np.diff(changed) > 0).all(), changed


@EVERY
def test_gradients_are_finite_and_linear_ones_transposes(name):
    severity = severities(name, 12)[2]

    def corrupted(images):
        return CORRUPTIONS[name](KEY, images, severity)

    y, back = jax.vjp(corrupted, X)
    g = np.random.default_rng(1).random(X.shape).astype(np.float32)
    pulled = back(jnp.asarray(g))[0]
    assert np.isfinite(pulled).all()
    if name not in ("noise", "occlusion"):  # these two are affine
        np.testing.assert_allclose(np.vdot(y, g), np.vdot(X, pulled), rtol=1e-5)


@in_turn(shape=[(2, 12, 12, 1), (1, 9, 14, 3)], sigma=[0.3, 1.0, 1.7])
def test_blur_equals_scipy_and_is_self_adjoint(sigma, shape):
    x, g = np.random.default_rng(0).random((2, *shape)).astype(np.float32)
    y, back = jax.vjp(lambda x: corrupt.blur(KEY, x, sigma), x)
    sigmas = (0, sigma, sigma, 0)
    close(y, ndimage.gaussian_filter(x, sigmas, truncate=5.0))
    close(back(g)[0], ndimage.gaussian_filter(g, sigmas, truncate=5.0))


@pytest.mark.parametrize("degrees", [15.0, 45.0])
def test_rotation_equals_scipy(degrees):
    y = np.asarray(corrupt.rotation(KEY, X, degrees))
    left, right = (
        ndimage.rotate(
            X, side * degrees, (2, 1), order=1, mode="grid-constant", reshape=False
        )
        for side in (1, -1)
    )
    sides = [
        (np.allclose(image, a, atol=1e-5), np.allclose(image, b, atol=1e-5))
        for image, a, b in zip(y, left, right, strict=True)
    ]
    assert set(sides) == {(True, False), (False, True)}


@pytest.mark.parametrize("pixels", [1, 3, 4.4])
def test_shift_has_requested_length(pixels):
    n, side = 2000, 13
    point = np.zeros((n, side, side, 1), np.float32)
    point[:, 6, 6] = 1
    y = np.asarray(corrupt.shift(KEY, point, pixels))[..., 0]
    assert (y.sum((1, 2)) == 1).all()
    _, down, right = np.nonzero(y)
    length = np.hypot(down - 6, right - 6)
    assert np.abs(length - pixels).max() <= np.sqrt(0.5)
    quarters = np.arctan2(down - 6, right - 6) + 2 * np.pi + np.pi / 4 + 1e-6
    counts = np.bincount((quarters // (np.pi / 2)).astype(int) % 4, minlength=4)
    assert len(set(zip(down, right, strict=True))) >= 8
    if pixels == 3:  # none of its whole-pixel directions is between two quarters
        assert stats.chisquare(counts).pvalue > 0.01


def test_noise_has_its_standard_deviation_and_is_clipped():
    grey = jnp.full((50, 12, 12, 1), 0.5)
    added = np.asarray(corrupt.noise(KEY, grey, 0.1)).ravel() - 0.5
    assert stats.kstest(added, stats.norm(0, 0.1).cdf).pvalue > 0.01
    loud = np.asarray(corrupt.noise(KEY, grey, 10.0))
    assert {loud.min(), loud.max()} == {0.0, 1.0}


def test_contrast_shrinks_towards_mean():
    mean = X.mean((1, 2), keepdims=True)
    close(corrupt.contrast(KEY, X, 0.25), 0.75 * X + 0.25 * mean)
    close(corrupt.contrast(KEY, X, 1.0), np.broadcast_to(mean, X.shape))


@pytest.mark.parametrize("size", [1, 4, 11, 12, 20])
def test_occlusion_is_square_at_random_position(size):
    n, side = 3000, 12
    y = np.asarray(corrupt.occlusion(KEY, jnp.ones((n, side, side, 1)), size))[..., 0]
    grey = y == 0.5
    assert (grey.sum((1, 2)) == min(size, side) ** 2).all()
    assert (y[~grey] == 1).all()
    places = max(side - size, 0) + 1
    corner = [grey.any(axis).argmax(1) for axis in (2, 1)]
    counts = np.bincount(corner[0] * places + corner[1], minlength=places**2)
    assert len(counts) == places**2
    assert places == 1 or stats.chisquare(counts).pvalue > 0.01


@EVERY
def test_severities_increase(name):
    for side in range(12, 65):
        values = severities(name, side)
        assert len(values) == 5
        assert (np.diff(values) > 0).all()
        assert values[0] > 0
        if name in ("shift", "occlusion"):
            assert all(level == int(level) < side for level in values)


def test_table_lists_every_corruption():
    assert list(SEVERITIES) == list(CORRUPTIONS)
    with pytest.raises(KeyError, match="fog"):
        severities("fog", 28)
