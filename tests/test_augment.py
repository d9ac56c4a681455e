"""Augmentation against SciPy and PyTorch, and the distributions of its draws."""

import functools
import importlib
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import in_turn
from scipy import ndimage, stats

from dljax.sources import augment
from dljax.tasks.classification import classification
from dljax.training.optimizers import sgd
from dljax.types import Net

KEY = jax.random.key(7)
FUNCTIONS = {
    "shift": functools.partial(augment.shift, max_pixels=2),
    "rotate": functools.partial(augment.rotate, max_degrees=40.0),
    "flip": augment.flip,
    "cutout": functools.partial(augment.cutout, size=3),
    "mixup": lambda key, images: augment.mixup(
        key, images, jnp.arange(len(images)), alpha=0.5, classes=len(images)
    )[0],
    "chain": augment.chain(
        functools.partial(augment.shift, max_pixels=2), augment.flip
    ),
}
STRENGTHS = {
    "shift": lambda key, images, x: augment.shift(key, images, max_pixels=x),
    "rotate": lambda key, images, x: augment.rotate(key, images, max_degrees=x),
    "cutout": lambda key, images, x: augment.cutout(key, images, size=x),
    "mixup": lambda key, images, x: augment.mixup(
        key, images, jnp.zeros(len(images), jnp.int32), alpha=x, classes=2
    )[0],
}
EVERY = pytest.mark.parametrize("name", list(FUNCTIONS))


@pytest.fixture(scope="module", params=["stored", "live"])
def golden(request):
    """PyTorch's arrays: those of the repository, and computed where it is installed."""
    if request.param == "live":
        pytest.importorskip("torch", reason="PyTorch is in the extra `bench`")
        return importlib.import_module("golden.make_images").make()
    with np.load(pathlib.Path(__file__).with_name("golden") / "images.npz") as arrays:
        return dict(arrays)


def random(*shape):
    return np.random.default_rng(0).random(shape).astype(np.float32)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_rotation_equals_pytorch(golden):
    def rotate(x):
        return augment.rotate_by(x, golden["rotate_degrees"])

    y, back = jax.vjp(rotate, golden["rotate_x"])
    close(y, golden["rotate_y"])
    close(back(golden["rotate_g"])[0], golden["rotate_dx"])


def test_shift_equals_pytorch_pad_and_crop(golden):
    down, right = golden["shift_moves"].T

    def shift(x):
        return augment.shift_by(x, down=down, right=right)

    y, back = jax.vjp(shift, golden["shift_x"])
    np.testing.assert_array_equal(y, golden["shift_y"])
    np.testing.assert_array_equal(back(golden["shift_g"])[0], golden["shift_dx"])


def test_soft_label_loss_equals_pytorch(golden):
    def apply(params, model_state, x, *, key, train):
        del key, train
        return params + x, model_state

    task = classification(
        Net(lambda key, example: (0.0 * example, {}), apply),
        sgd(1.0),
        example=golden["soft_x"],
        mix=lambda key, images, labels: (images, golden["soft_shares"]),
    )
    params, model_state = task.init(KEY)
    batch = {"image": golden["soft_x"], "label": jnp.zeros(3, jnp.int32)}
    loss, gradient = jax.value_and_grad(
        lambda params: task.turns[0].loss(params, model_state, batch, KEY, 0)[0]
    )(params)
    close(loss, golden["soft_loss"])
    close(gradient["net"], golden["soft_dx"])


@in_turn(size=[(8, 8), (9, 6)], degrees=[-170.0, -45.0, -3.0, 0.0, 30.0, 90.0])
def test_rotation_equals_scipy(size, degrees):
    x = random(2, *size, 3)
    y = augment.rotate_by(x, np.full(2, degrees, np.float32))
    expected = ndimage.rotate(
        x, degrees, (2, 1), order=1, mode="grid-constant", reshape=False
    )
    close(y, expected)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3), (-1, 1), (9, 0)])
def test_shift_equals_scipy(down, right):
    x = random(1, 6, 7, 2)
    y = augment.shift_by(x, down=jnp.array([down]), right=jnp.array([right]))
    close(y, ndimage.shift(x, (0, down, right, 0), order=1, mode="grid-constant"))


@EVERY
def test_gradient_is_transpose_of_augmentation(name):
    """For linear maps <A x, y> = <x, A' y>, and A x is the derivative towards x."""
    x, y = random(2, 4, 6, 5, 2)

    def function(images):
        return FUNCTIONS[name](KEY, images)

    ax, back = jax.vjp(function, x)
    np.testing.assert_allclose(
        np.vdot(ax, y), np.vdot(x, back(jnp.asarray(y))[0]), rtol=1e-5
    )
    close(jax.jvp(function, (x,), (y,))[1], function(y))


@EVERY
def test_key_determines_independent_draws_per_image(name):
    image = random(1, 8, 8, 1)
    x = jnp.asarray(np.repeat(image, 32, 0)) * (1 + jnp.arange(32.0) / 64).reshape(
        32, 1, 1, 1
    )
    function = jax.jit(FUNCTIONS[name])
    y = function(KEY, x)
    np.testing.assert_array_equal(y, function(KEY, x))
    close(y, FUNCTIONS[name](KEY, x))
    keys = jax.random.split(KEY, 3)
    several = jax.vmap(FUNCTIONS[name], (0, None))(keys, x)
    for key, one in zip(keys, several, strict=True):
        close(one, function(key, x))
    assert (np.asarray(several[0]) != several[1]).any()
    if name != "mixup":
        of_one = np.asarray(y / (1 + jnp.arange(32.0) / 64).reshape(32, 1, 1, 1))
        rounded = of_one.round(4).reshape(32, -1)
        assert len(np.unique(rounded, axis=0)) >= (2 if name == "flip" else 12)


@pytest.mark.parametrize("name", list(STRENGTHS))
def test_strengths_vmap_and_0_is_identity(name):
    x = random(12, 6, 6, 1)
    strengths = jnp.array([0.0, 1.0, 3.0])
    y = jax.jit(jax.vmap(STRENGTHS[name], (None, None, 0)))(KEY, x, strengths)
    np.testing.assert_array_equal(y[0], x)
    for strength, one in zip((1, 3), y[1:], strict=True):
        close(one, STRENGTHS[name](KEY, x, strength))
        assert np.abs(np.asarray(one) - x).max() > 0.01


def test_shifts_are_uniform_over_images_and_over_seeds():
    point = np.zeros((1, 7, 7, 1), np.float32)
    point[0, 3, 3] = 1
    shifted = augment.shift(KEY, jnp.repeat(jnp.asarray(point), 5000, 0), max_pixels=2)
    keys = jax.random.split(jax.random.key(1), 5000)
    seeds = jax.vmap(lambda key: augment.shift(key, point, max_pixels=2)[0])(keys)
    for y in (shifted, seeds):
        counts = np.asarray(y[..., 0].sum(0))
        assert counts[1:6, 1:6].sum() == 5000
        assert stats.chisquare(counts[1:6, 1:6].ravel()).pvalue > 0.01


def test_angles_are_uniform():
    """Angles are measured on two ramps: beside the centre they are sine and cosine."""
    ramp = np.arange(5) - 2.0
    ramps = np.stack(np.meshgrid(ramp, ramp, indexing="ij"), -1).astype(np.float32)
    x = jnp.repeat(ramps[None], 3000, 0)
    y = np.asarray(augment.rotate(KEY, x, max_degrees=60.0))[:, 2, 3]
    degrees = np.rad2deg(np.arctan2(-y[:, 0], y[:, 1]))
    assert np.abs(degrees).max() < 60.01
    assert stats.kstest(degrees, stats.uniform(-60, 120).cdf).pvalue > 0.01


def test_flip_probability_is_half():
    x = jnp.repeat(random(1, 2, 3, 1), 4000, 0)
    y = np.asarray(augment.flip(KEY, x))
    flipped = (y == np.asarray(x)[:, :, ::-1]).all((1, 2, 3))
    unchanged = (y == np.asarray(x)).all((1, 2, 3))
    assert (flipped ^ unchanged).all()
    assert stats.binomtest(int(flipped.sum()), 4000).pvalue > 0.01


@pytest.mark.parametrize("size", [1, 4, 5])
def test_cutout_is_clipped_square(size):
    n, side = 4000, 6
    y = np.asarray(augment.cutout(KEY, jnp.ones((n, side, side, 1)), size=size))
    black = y[..., 0] == 0
    rows, columns = black.any(2), black.any(1)
    np.testing.assert_array_equal(black, rows[:, :, None] & columns[:, None])
    possible = {
        tuple(np.isin(np.arange(side), centre - size // 2 + np.arange(size)))
        for centre in range(side)
    }
    assert len(possible) == side
    for lines in (rows, columns):
        counts = dict.fromkeys(possible, 0)
        for line in lines:
            counts[tuple(line)] += 1  # KeyError at an impossible square
        assert stats.chisquare(list(counts.values())).pvalue > 0.01
    middles = [(a * np.arange(side)).sum(1) / a.sum(1) for a in (rows, columns)]
    assert abs(np.corrcoef(*middles)[0, 1]) < 0.06


def test_chain_applies_in_order_with_own_keys():
    x = random(3, 4, 4, 1)
    keys = []

    def record_key(key, images):
        keys.append(tuple(np.asarray(jax.random.key_data(key))))
        return 2 * images + 1

    y = augment.chain(record_key, lambda key, images: -record_key(key, images))(KEY, x)
    close(y, -(4 * x + 3))
    assert len({*keys, tuple(np.asarray(jax.random.key_data(KEY)))}) == 3
    np.testing.assert_array_equal(augment.chain()(KEY, x), x)
