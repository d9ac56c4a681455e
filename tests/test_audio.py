"""Spectrograms and their inversion, notes of a soundfont, and sets of recordings."""

import io
import pathlib
import tarfile

import numpy as np
import pytest
import scipy.io.wavfile

from dljax.datasets import loading, location, soundfont, spectrogram
from dljax.datasets.spectrogram import BANDS, FRAMES, HOP, SAMPLE_RATE
from dljax.datasets.splits import split_by_seed
from dljax.rendering import Audio, Images, of_kind
from dljax.reporting import sample_figures
from dljax.sources.image_rendering import render_pixel_maps
from dljax.sources.image_tokens import image_tokens

LENGTH = FRAMES * HOP
pretty_midi = pytest.importorskip("pretty_midi")
FONT = pathlib.Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"


def tone(hertz, seconds=1.0):
    wave = np.sin(
        2 * np.pi * hertz * np.arange(int(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    )
    return (0.5 * 2**15 * wave).astype(np.int16)


@pytest.fixture(scope="module")
def font():
    return soundfont.read(FONT)


def test_higher_tone_is_in_higher_band():
    images = spectrogram.mel_spectrograms([tone(hertz) for hertz in (200, 800, 3000)])
    assert images.shape == (3, FRAMES, BANDS, 1)
    assert images.dtype == np.uint8
    loudest = images[:, 5:25, :, 0].astype(float).mean(1).argmax(-1)
    assert loudest[0] < loudest[1] < loudest[2]


def test_report_shows_time_rightward_and_frequency_upward():
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    wave = np.where(time > 0.5, np.sin(2 * np.pi * 3000 * time), 0)  # a high tone, late
    image = spectrogram.mel_spectrograms([np.int16(2**14 * wave)])
    samples = {"image": image / 255, "map": image[..., 0] / 255}
    pixel_maps = render_pixel_maps(samples, spectrogram=True)
    figure = sample_figures.draw_pixel_maps({"a": pixel_maps})
    assert len(figure.axes) == 2
    for axis in figure.axes:
        loud = np.asarray(axis.get_images()[0].get_array())
        rows, columns = np.nonzero(loud > loud.max() / 2)
        assert rows.max() < BANDS / 2
        assert columns.min() > FRAMES / 3


def test_sounds_are_padded_or_cut():
    short, long = spectrogram.mel_spectrograms([tone(500, 0.25), tone(500, 3.0)])
    assert short[12:].max() == 0
    assert short[2:6].max() > 200
    assert long[-2].max() > 200


def test_ten_times_the_amplitude_is_20_decibels():
    loud, quiet = spectrogram.mel_spectrograms([tone(500), tone(500) // 10])
    middle = slice(5, 25)
    difference = loud[middle].max(1).astype(float) - quiet[middle].max(1)
    np.testing.assert_allclose(difference, 255 * 20 / spectrogram.DYNAMIC_RANGE, atol=2)


def test_griffin_lim_inverts_spectrogram(font):
    sounds = [
        soundfont.play(font, p, 60, rate=SAMPLE_RATE, seconds=1.0) for p in (0, 40, 73)
    ]
    images = spectrogram.mel_spectrograms(sounds)
    inverted = spectrogram.mel_spectrograms(spectrogram.griffin_lim(images / 255))
    decibels = np.abs(inverted.astype(float) - images) * spectrogram.DYNAMIC_RANGE / 255
    assert decibels[images > 100].mean() < 5  # of the loud bands


@pytest.mark.parametrize("key", [48, 60, 69])
def test_note_has_its_pitch(font, key):
    sound = soundfont.play(font, 73, key, rate=SAMPLE_RATE, seconds=1.0)  # a flute
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    pitch = 440 * 2 ** ((key - 69) / 12)
    harmonics = [power[int(round(k * pitch)) - 8 :][:17].sum() for k in (1, 2, 3, 4)]
    assert sum(harmonics) > 0.8 * power.sum()
    assert sound.dtype == np.int16
    assert np.abs(sound).max() <= 2**14


def test_notes_cover_all_instruments_and_pitches(font):
    assert set(font.programs) >= set(range(128))
    for program in range(0, 128, 9):
        sound = soundfont.play(font, program, 70, rate=SAMPLE_RATE, seconds=0.5)
        assert len(sound) == SAMPLE_RATE // 2
        assert np.abs(sound).max() > 2**12


@pytest.mark.long
def test_test_notes_are_of_other_instruments(data_dir):
    dataset = loading.load(location.find("notes", data_dir=data_dir))
    parts = split_by_seed(dataset)(0)
    voices = {part: set(dataset.arrays["voice"][rows]) for part, rows in parts.items()}
    assert {part: len(numbers) for part, numbers in voices.items()} == {
        "train": 96,
        "valid": 16,
        "test": 16,
    }
    assert not voices["train"] & voices["test"]
    for rows in parts.values():
        assert set(dataset.arrays["label"][rows]) == set(range(16))
    assert len(dataset.classes) == 16


def test_spoken_digits_test_on_first_five_recordings(tmp_path):
    from dljax.datasets.audio_builders import SpokenDigit

    path = tmp_path / "archive.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("3_theo_4", "7_george_5", "7_george_0"):
            file = io.BytesIO()
            scipy.io.wavfile.write(file, SAMPLE_RATE, tone(300, 0.1))
            member = tarfile.TarInfo(f"free-spoken-digit/recordings/{name}.wav")
            member.size = file.getbuffer().nbytes
            file.seek(0)
            tar.addfile(member, file)
    builder = SpokenDigit(data_dir=tmp_path / "data")
    for test, expected in (
        (True, [("3", "theo"), ("7", "george")]),
        (False, [("7", "george")]),
    ):
        rows = [row for _, row in builder._generate_examples(path, test)]
        assert [(row["label"], row["voice"]) for row in rows] == expected
        np.testing.assert_array_equal(rows[0]["sound"], tone(300, 0.1))


@pytest.mark.long
def test_rendered_sounds_are_audible(data_dir):
    dataset = loading.load(location.find("notes", data_dir=data_dir))
    source = image_tokens(dataset, levels=16, pool_width=2)
    batch = source.gather(source.arrays, np.arange(2))
    y = np.asarray(batch["y"])
    sample = {k: np.asarray(v) for k, v in batch.items()} | {
        "prediction": y,
        "completion": y[:, source.details.length // 2 :],
    }
    renderings = source.render(sample)
    assert source.details.length == FRAMES * BANDS // 2
    images = {record.title: record for record in of_kind(renderings, Images)}
    sounds = {record.title: record for record in of_kind(renderings, Audio)}
    assert images.keys() == sounds.keys() == {"real", "generated", "completed"}
    for title, record in images.items():
        assert record.spectrogram
        assert record.pixels.shape == (2, FRAMES, BANDS, 1)
        np.testing.assert_array_equal(record.pixels, images["real"].pixels)
        assert sounds[title].role == record.role
        assert sounds[title].sample_rate == SAMPLE_RATE
        assert sounds[title].waveforms.shape == (2, LENGTH)
