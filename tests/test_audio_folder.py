"""Folders of WAV files: of any rate and kind, and every mistake in one line."""

import numpy as np
import pytest
import scipy.io.wavfile

from dljax.config import RunConfig
from dljax.datasets import audio_folder, spectrogram
from dljax.datasets.loading import load
from dljax.datasets.location import find
from dljax.errors import DAMAGED_DATA, USAGE, UserError
from dljax.rendering import Audio, of_kind
from dljax.sources import examples, loading
from dljax.sources.image_rendering import show_images


def tone(hertz, rate, seconds=0.8):
    """Half as loud as can be."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def write(path, wave, rate=spectrogram.RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.wavfile.write(path, rate, wave)


def whole(wave, kind, lowest):
    return np.round(wave * lowest).astype(kind)


@pytest.fixture
def root(tmp_path):
    """Two classes of six tones, each twice by three voices."""
    for label, hertz in (("high", 1500), ("low", 300)):
        for i in range(6):
            wave = whole(tone(hertz + 20 * i, 8000), np.int16, 2**15)
            write(tmp_path / label / f"{'abc'[i % 3]}_{i}.wav", wave)
    return tmp_path


def place(root):
    return find("audio_folder", manual_dir=str(root))


def test_sounds_become_spectrograms_with_speakers(root):
    table = load(place(root))
    assert table.classes == ("high", "low")
    assert table.arrays["image"].shape == (12, 32, 32, 1)
    np.testing.assert_array_equal(table.arrays["label"], [0] * 6 + [1] * 6)
    np.testing.assert_array_equal(table.arrays["voice"], [0, 0, 1, 1, 2, 2] * 2)
    louder = table.arrays["image"][:, :20, :, 0].mean(1).argmax(1)  # its band
    assert louder[:6].min() > louder[6:].max()
    # One's own and the data set's way to a picture are the same.
    first = scipy.io.wavfile.read(root / "high/a_0.wav")[1]
    expected = spectrogram.mel_spectrograms([first])[0].astype(int)
    assert np.abs(expected - table.arrays["image"][0]).max() <= 1


@pytest.mark.parametrize(
    "kind",
    [
        lambda wave: whole(wave, np.int32, 2**31),
        lambda wave: wave.astype(np.float32),
        lambda wave: np.stack([whole(wave, np.int16, 2**15)] * 2, -1),
        lambda wave: (128 + whole(wave, np.int16, 2**7)).astype(np.uint8),
    ],
)
@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_any_sample_rate_and_format_is_read(tmp_path, kind, rate):
    path = tmp_path / "one.wav"
    write(path, kind(tone(440, rate)), rate)
    found = audio_folder.read_wav(path) / 2**15
    expected = tone(440, 8000)
    assert abs(len(found) - len(expected)) <= 1
    inner = slice(200, 6000)  # a filter rings at the ends
    np.testing.assert_allclose(found[inner], expected[inner], atol=0.02)


def test_source_feeds_classifier_and_sample_command(root):
    config = RunConfig(dataset="audio_folder", manual_dir=str(root))
    its = loading.load_source(config)
    assert examples.image_example(its)[0].shape == (1, 32, 32, 1)
    renderings = show_images(its, "generated").render(
        {"image": np.zeros((2, 32, 32, 1)), "generated": np.ones((2, 32, 32, 1))}
    )
    sounds = {record.role: record for record in of_kind(renderings, Audio)}
    assert sounds["generated"].waveforms.shape == (2, 32 * 256)


@pytest.mark.parametrize("damage", [lambda b: b[:20], lambda b: b"no" * 40])
def test_a_damaged_sound_is_named(root, damage):
    path = root / "low/b_1.wav"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError) as raised:
        load(place(root))
    assert raised.value.code == DAMAGED_DATA
    assert str(raised.value).startswith(f"{path}: cannot be read as a WAV file (")
    assert "\n" not in str(raised.value)


def test_an_empty_sound_is_named(root):
    path = root / "low/b_1.wav"
    write(path, np.zeros(0, np.int16))
    with pytest.raises(UserError, match=r"b_1.wav: cannot be read .* \(no samples\)"):
        load(place(root))


def test_missing_files_raise_user_error(tmp_path):
    with pytest.raises(UserError, match=r"it needs CLASS/\*.wav, or") as raised:
        place(tmp_path)
    assert raised.value.code == USAGE
    (tmp_path / "low").mkdir()
    with pytest.raises(UserError, match="no wav in its folder low"):
        place(tmp_path)
    for i in range(3):
        write(tmp_path / "low" / f"{i}.wav", np.zeros(9, np.int16))
    with pytest.raises(UserError, match="low has 3 of the 5 sounds at least"):
        place(tmp_path)
