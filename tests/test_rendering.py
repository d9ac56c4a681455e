"""Renderings of samples: stored without loss, and drawn."""

import dataclasses
import typing

import numpy as np
import pytest
from user_errors import user_error

from dljax import rendering
from dljax.errors import DAMAGED_DATA
from dljax.rendering import (
    Audio,
    CodePlane,
    Images,
    InputTokens,
    PianoRolls,
    PixelMaps,
    Predictions,
    Texts,
    TokenAlignment,
)
from dljax.reporting import audio_figures, sample_figures
from dljax.trials import samples

RNG = np.random.default_rng(0)
PIXELS = RNG.random((2, 4, 3, 1)).astype(np.float32)
TOKENS = (("ä", "b", ""), ("c", "", ""))
RECORDS = (
    Images(title="real", role="real", pixels=PIXELS),
    Images(
        title="generated",
        role="generated",
        pixels=1 - PIXELS,
        target_classes=("cat", "dog"),
        spectrogram=True,
    ),
    Predictions(pixels=PIXELS, predicted=("cat", "dog"), labels=("cat", "cat")),
    PixelMaps(
        pixels=PIXELS,
        titles=("gradient", "mask"),
        maps=RNG.normal(size=(2, 2, 4, 3)),
    ),
    CodePlane(pixels=RNG.random((2, 2, 4, 3, 1))),
    Texts(title="source", role="real", texts=("wie groß?", "")),
    Texts(title="translation", role="generated", texts=("how\nbig?", "|")),
    InputTokens(tokens=TOKENS),
    TokenAlignment(
        source_tokens=TOKENS, target_tokens=TOKENS, weights=RNG.random((2, 3, 3))
    ),
    Audio(
        title="generated",
        role="generated",
        waveforms=RNG.integers(-9, 9, (2, 5)).astype(np.int16),
        sample_rate=8000,
        target_classes=("cat", "dog"),
    ),
    PianoRolls(role="real", rolls=RNG.integers(0, 2, (2, 6, 88))),
    PianoRolls(role="generated", rolls=RNG.integers(0, 2, (2, 6, 88))),
)


def test_every_kind_is_stored_without_loss(tmp_path):
    kinds = set(typing.get_args(rendering.Rendering))
    assert {type(record) for record in RECORDS} == kinds
    path = tmp_path / "samples.npz"
    samples.save(path, [RECORDS, (), RECORDS[:1]])
    restored = samples.read(path)
    assert [len(renderings) for renderings in restored] == [len(RECORDS), 0, 1]
    for record, expected in zip(restored[0], RECORDS, strict=True):
        assert type(record) is type(expected)
        for field in dataclasses.fields(expected):
            value, other = (getattr(r, field.name) for r in (record, expected))
            assert type(value) is type(other)
            if isinstance(value, np.ndarray):
                assert value.dtype == other.dtype
                np.testing.assert_array_equal(value, other)
            else:
                assert value == other


@pytest.mark.parametrize("entries", [{}, {"index": "[[{}]]"}, {"index": "["}])
def test_another_file_raises_user_error(tmp_path, entries):
    path = tmp_path / "samples.npz"
    np.savez(path, **{name: np.array(text) for name, text in entries.items()})
    with user_error("damaged-samples", path, code=DAMAGED_DATA):
        samples.read(path)


def test_every_kind_is_drawn():
    figures = sample_figures
    renderings = {"a": RECORDS, "b": RECORDS}
    images = figures.draw_images(renderings)
    rows = [axis.get_ylabel() for axis in images.axes[::2]]
    assert rows == ["real", "a\ngenerated", "b\ngenerated"]  # the real images once
    assert [axis.get_title() for axis in images.axes[2:4]] == ["cat", "dog"]
    upright = images.axes[2].get_images()[0].get_array()
    np.testing.assert_allclose(upright, np.rot90(1 - PIXELS[0, ..., 0]))
    predictions = figures.draw_predictions(renderings)
    assert [axis.get_title() for axis in predictions.axes[:2]] == ["cat", "dog ≠ cat"]
    maps = figures.draw_pixel_maps(renderings)  # the maps of both networks are equal
    assert [axis.get_ylabel() for axis in maps.axes[::2]] == (
        ["image", "gradient", "mask"]
    )
    planes = figures.draw_code_planes(renderings)
    assert [axis.get_title() for axis in planes.axes] == ["a", "b"]
    texts = figures.list_texts(renderings)
    assert texts[0] == {
        "real": {"source": "wie groß?"},
        "generated": {"a": "how\nbig?", "b": "how\nbig?"},
    }
    names = [name for name, _ in audio_figures.select_sounds(renderings)]
    assert names == ["a, generated: cat dog", "b, generated: cat dog"]
    assert len(figures.draw_alignments(renderings).axes) == 2
    rolls = audio_figures.select_piano_rolls(renderings)
    assert list(rolls) == ["real", "a", "b"]
    assert len(audio_figures.draw_piano_rolls(rolls).axes) == 3


def test_absent_kinds_are_not_drawn():
    renderings = {"a": ()}
    for draw in (
        sample_figures.draw_images,
        sample_figures.draw_predictions,
        sample_figures.draw_pixel_maps,
        sample_figures.draw_code_planes,
        sample_figures.draw_alignments,
    ):
        assert draw(renderings) is None
    assert audio_figures.draw_piano_rolls({}) is None
    assert sample_figures.list_texts(renderings) == []
    assert audio_figures.select_sounds(renderings) == []
