"""Hand-specified features against their definitions, and subsets without leakage."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from user_errors import user_error

from dljax.config import RunConfig
from dljax.models.mlp import mlp
from dljax.sources import features
from dljax.sources.features import hog, with_features, zoning
from dljax.sources.loading import load_source
from dljax.sources.transforms import on_canvas, subset
from dljax.tasks.classification import classification
from dljax.training import programs
from dljax.training.optimizers import adamw


@pytest.fixture(scope="module")
def digits(data_dir):
    return load_source(RunConfig(data_dir=data_dir))


def test_zoning_averages_zones():
    images = np.random.default_rng(0).random((3, 8, 12, 2)).astype(np.float32)
    features_by_zone = zoning(images, zones=2)
    expected = [
        images[i, y : y + 4, x : x + 6, c].mean()
        for i in range(3)
        for y in (0, 4)
        for x in (0, 6)
        for c in range(2)
    ]
    expected = np.reshape(expected, (3, 8))
    np.testing.assert_allclose(features_by_zone, expected, rtol=1e-6)
    assert features_by_zone.dtype == np.float32


def hog_with_loops(image, cells):
    """HOG of one grey image (side, side), with the paper's steps as plain loops."""
    side = image.shape[0]
    image = image.astype(np.float64)
    counts, cell = np.zeros((cells, cells, 9)), side // cells
    for y in range(side):
        for x in range(side):
            down = image[y + 1, x] - image[y - 1, x] if 0 < y < side - 1 else 0
            right = image[y, x + 1] - image[y, x - 1] if 0 < x < side - 1 else 0
            angle = np.degrees(np.arctan2(down, right)) % 180
            size = np.hypot(down, right) / cell**2
            counts[y // cell, x // cell, int(angle // 20)] += size
    blocks = []
    for y in range(cells - 1):
        for x in range(cells - 1):
            block = counts[y : y + 2, x : x + 2].ravel()
            block = np.minimum(block / np.sqrt((block**2).sum() + 1e-10), 0.2)
            blocks.append(block / np.sqrt((block**2).sum() + 1e-10))
    return np.concatenate(blocks)


def test_hog_equals_its_definition():
    images = np.random.default_rng(0).random((2, 16, 16, 1)).astype(np.float32)
    histograms = hog(images)
    assert histograms.shape == (2, 9 * 36)
    assert histograms.dtype == np.float32
    for image, histogram in zip(images, histograms, strict=True):
        np.testing.assert_allclose(
            histogram, hog_with_loops(image[..., 0], 4), atol=1e-5
        )
    colour = np.repeat(images, 3, axis=-1)
    np.testing.assert_array_equal(hog(colour), histograms)
    assert hog(images, cells=2).shape == (2, 36)


@pytest.mark.parametrize(("name", "k"), [("raw", 64), ("zoning", 16), ("hog", 324)])
def test_with_features_returns_a_source(digits, name, k):
    source = with_features(digits, name)
    assert source.fingerprint != digits.fingerprint
    rows = np.array([5, 1796])
    batch = source.gather(jax.device_put(source.arrays), rows)
    images = digits.arrays["image"][rows] / np.float32(16)
    np.testing.assert_array_equal(batch["image"], features.FEATURES[name](images))
    np.testing.assert_array_equal(batch["label"], digits.arrays["label"][rows])
    assert batch["image"].shape == (2, k)
    assert 0 <= source.arrays["image"].min() < source.arrays["image"].max() <= 1
    assert with_features(digits, name).fingerprint == source.fingerprint
    for part, rows in digits.split(1).items():
        np.testing.assert_array_equal(rows, source.split(1)[part])
    on_larger_canvas = with_features(on_canvas(digits, 12), name)
    assert on_larger_canvas.fingerprint != source.fingerprint


def test_impossible_features_raise_user_error(digits, monkeypatch):
    with pytest.raises(KeyError):
        with_features(digits, "sift")
    for compute in (lambda x: zoning(x, 3), lambda x: hog(x, cells=3)):
        with user_error("image-not-divisible", "8x8", "3x3", "--resize=N"):
            compute(digits.arrays["image"])
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with user_error("extra-not-installed", "pip install 'dljax[features]'"):
        hog(digits.arrays["image"])


def test_raw_features_need_no_scikit_image(digits, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.feature", None)
    with_features(digits, "raw")


def test_a_net_trains_on_features(digits):
    source = with_features(digits, "hog")
    task = classification(mlp((), 10), adamw(0.01), example=jnp.zeros((1, 324)))
    program = programs.make_program(task, source, [0], strategy="map", batch_size=64)
    state = program.init()
    state, _ = program.train_steps(state, program.shuffle(state, 0), 0, 150)
    sums = program.evaluate(state, "test")["accuracy"]
    assert float(sums[0][0] / sums[1][0]) > 0.9


def test_subsets_are_balanced_and_nested(digits):
    labels = digits.arrays["label"]
    subsets = set()
    for seed in range(6):
        whole = digits.split(seed)
        smaller: set[int] = set()
        for n in (1, 25, 100, 1077):
            source = subset(digits, n)
            parts = source.split(seed)
            rows = parts["train"]
            assert len(rows) == len(set(rows)) == n
            assert set(rows) <= set(whole["train"])
            assert smaller <= set(rows)
            smaller = set(rows)
            if n <= 100:  # every class has 107 training examples
                counts = np.bincount(labels[rows], minlength=10)
                assert np.ptp(counts) == (0 if n % 10 == 0 else 1)
            for part in ("valid", "test"):
                np.testing.assert_array_equal(parts[part], whole[part])
            np.testing.assert_array_equal(subset(digits, n).split(seed)["train"], rows)
            if n == 100:
                subsets.add(tuple(sorted(rows)))
    assert len(subsets) == 6  # seeds 0 and 5 share a fold, not a subset
    assert subset(digits, 100).fingerprint != subset(digits, 25).fingerprint


@pytest.mark.parametrize("n", [0, 1078])
def test_subset_larger_than_data_is_refused(digits, n):
    with user_error("too-few-examples", n, 1077):
        subset(digits, n)
