"""Transforms of sources, and example batches."""

import numpy as np
import pytest
from user_errors import user_error

from dljax.datasets.loading import load
from dljax.datasets.location import find
from dljax.sources.examples import image_example
from dljax.sources.resident import resident
from dljax.sources.transforms import on_canvas
from dljax.sources.video import moving_digits


@pytest.fixture(scope="module")
def digits(data_dir):
    return load(find("digits", data_dir=data_dir))


def test_image_example_refuses_clips(digits):
    images = resident(digits)
    clips = moving_digits(images, frames=4, size=12)
    example, classes = image_example(images)
    assert example.shape == (1, 8, 8, 1)
    assert classes == 10
    with user_error("dataset-wrong-kind", "--dataset=digits-moving"):
        image_example(clips)


def test_centred_digit_has_margins(digits):
    images = resident(digits)
    centred = on_canvas(images, 12, centred=True)
    placed = centred.arrays["image"]
    np.testing.assert_array_equal(placed[:, 2:10, 2:10], digits.arrays["image"])
    assert placed.sum() == digits.arrays["image"].sum()
    anywhere = on_canvas(images, 12)
    batch = anywhere.gather(anywhere.arrays, np.arange(50))
    for image, small, place in zip(
        np.asarray(batch["image"]), digits.arrays["image"], batch["place"], strict=False
    ):
        top, left = divmod(int(place), 5)
        np.testing.assert_allclose(image[top : top + 8, left : left + 8] * 16, small)
    assert centred.fingerprint != anywhere.fingerprint
