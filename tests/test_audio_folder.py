"""Folders of WAV files: sample rates, formats, and one-line errors."""

import numpy as np
import pytest
import scipy.io.wavfile
from user_errors import user_error

from dljax.config import RunConfig
from dljax.datasets import audio_folder, spectrogram
from dljax.datasets.loading import load
from dljax.datasets.location import find
from dljax.errors import DAMAGED_DATA
from dljax.rendering import Audio, of_kind
from dljax.sources import examples, loading
from dljax.sources.image_rendering import show_images


def tone(hertz, rate, seconds=0.8):
    """A sine of half the maximal amplitude, float (samples,)."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def write(path, wave, rate=spectrogram.SAMPLE_RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.wavfile.write(path, rate, wave)


def quantize(wave, dtype, scale):
    return np.round(wave * scale).astype(dtype)


@pytest.fixture
def root(tmp_path):
    """A folder with two classes of six tones, two per voice."""
    for label, hertz in (("high", 1500), ("low", 300)):
        for i in range(6):
            wave = quantize(tone(hertz + 20 * i, 8000), np.int16, 2**15)
            write(tmp_path / label / f"{'abc'[i % 3]}_{i}.wav", wave)
    return tmp_path


def locate(root):
    return find("audio_folder", manual_dir=str(root))


def test_sounds_become_spectrograms_with_speakers(root):
    dataset = load(locate(root))
    assert dataset.classes == ("high", "low")
    assert dataset.arrays["image"].shape == (12, 32, 32, 1)
    np.testing.assert_array_equal(dataset.arrays["label"], [0] * 6 + [1] * 6)
    np.testing.assert_array_equal(dataset.arrays["voice"], [0, 0, 1, 1, 2, 2] * 2)
    loudest_band = dataset.arrays["image"][:, :20, :, 0].mean(1).argmax(1)
    assert loudest_band[:6].min() > loudest_band[6:].max()
    # A file and an array of samples give the same spectrogram.
    first = scipy.io.wavfile.read(root / "high/a_0.wav")[1]
    expected = spectrogram.mel_spectrograms([first])[0].astype(int)
    assert np.abs(expected - dataset.arrays["image"][0]).max() <= 1


@pytest.mark.parametrize(
    "encode",
    [
        lambda wave: quantize(wave, np.int32, 2**31),
        lambda wave: wave.astype(np.float32),
        lambda wave: np.stack([quantize(wave, np.int16, 2**15)] * 2, -1),
        lambda wave: (128 + quantize(wave, np.int16, 2**7)).astype(np.uint8),
    ],
)
@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_any_sample_rate_and_format_is_read(tmp_path, encode, rate):
    path = tmp_path / "one.wav"
    write(path, encode(tone(440, rate)), rate)
    wave = audio_folder.read_wav(path) / 2**15
    expected = tone(440, 8000)
    assert abs(len(wave) - len(expected)) <= 1
    inner = slice(200, 6000)  # the resampling filter rings at the ends
    np.testing.assert_allclose(wave[inner], expected[inner], atol=0.02)


def test_source_feeds_classifier_and_sample_command(root):
    config = RunConfig(dataset="audio_folder", manual_dir=str(root))
    source = loading.load_source(config)
    assert examples.image_example(source)[0].shape == (1, 32, 32, 1)
    renderings = show_images(source, "generated").render(
        {"image": np.zeros((2, 32, 32, 1)), "generated": np.ones((2, 32, 32, 1))}
    )
    sounds = {record.role: record for record in of_kind(renderings, Audio)}
    assert sounds["generated"].waveforms.shape == (2, 32 * 256)


@pytest.mark.parametrize("damage", [lambda b: b[:20], lambda b: b"no" * 40])
def test_a_damaged_sound_is_named(root, damage):
    path = root / "low/b_1.wav"
    path.write_bytes(damage(path.read_bytes()))
    with user_error("damaged-audio", path, code=DAMAGED_DATA):
        load(locate(root))


def test_an_empty_sound_is_named(root):
    path = root / "low/b_1.wav"
    write(path, np.zeros(0, np.int16))
    with user_error("damaged-audio", path, code=DAMAGED_DATA):
        load(locate(root))


def test_missing_files_raise_user_error(tmp_path):
    flag = f"--manual_dir={tmp_path}"
    with user_error("no-class-folders", flag, "CLASS/*.wav", "train/CLASS"):
        locate(tmp_path)
    (tmp_path / "low").mkdir()
    with user_error("empty-class-folder", flag, "wav", "low"):
        locate(tmp_path)
    for i in range(3):
        write(tmp_path / "low" / f"{i}.wav", np.zeros(9, np.int16))
    with user_error("too-few-examples", flag, "low", 3, 5):
        locate(tmp_path)
