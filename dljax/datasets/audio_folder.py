"""`audio_folder`: a folder of WAV files for each class.

DIR/CLASS/*.wav, or DIR/train/CLASS and DIR/test/CLASS; see `class_folders`. Each file
becomes a mel spectrogram of its first second (see `spectrogram`), at any rate; channels
are averaged. What a file's name has before its first _ is its voice,
which experiments may leave out of training: anna_01.wav; without a _ it is the whole
name.
"""

import math
import pathlib
import warnings
from typing import Any

import numpy as np

from dljax.datasets import class_folders, spectrogram
from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import DAMAGED_DATA, UserError, first_line

SOUNDS = class_folders.FileKind("sounds", (".wav",))


def find(root: pathlib.Path) -> dict[str, class_folders.Classes]:
    """The files of sounds, see `class_folders.find`."""
    return class_folders.find(root, SOUNDS)


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Arrays {"image", "label", "voice"}.

    Raises:
      UserError: see `find`; a file is damaged, or holds no sound.
    """
    del resize
    files, labels, parts, names = class_folders.label_files(find(root))
    voices = [path.stem.partition("_")[0] for path in files]
    _, voice = np.unique(voices, return_inverse=True)
    arrays = {
        "image": spectrogram.mel_spectrograms([read_wav(path) for path in files]),
        "label": labels,
        "voice": voice.astype(np.int32),
    }
    return ArrayDataset("audio_folder", "1.0.0", arrays, parts, names)


def read_wav(path: pathlib.Path) -> np.ndarray:
    """A WAV file as int16 (samples,), of the rate of spectrograms.

    Raises:
      UserError: it is damaged, or holds no sound.
    """
    import scipy.io.wavfile
    import scipy.signal

    try:
        with warnings.catch_warnings():  # of chunks that are no samples
            warnings.simplefilter("ignore", scipy.io.wavfile.WavFileWarning)
            rate, wave = scipy.io.wavfile.read(path)
        if not len(wave):
            raise ValueError("no samples")
        wave = _float_mono(wave[: 2 * rate])  # more than a spectrogram shows
        common = math.gcd(rate, spectrogram.RATE)
        wave = scipy.signal.resample_poly(
            wave, spectrogram.RATE // common, rate // common
        )
    except Exception as error:  # whatever a decoder says of a bad file
        raise UserError(
            "damaged-audio",
            f"{path}: cannot be read as a WAV file ({first_line(error)})",
            DAMAGED_DATA,
        ) from None
    return np.round(np.clip(wave, -1, 1) * (2**15 - 1)).astype(np.int16)


def _float_mono(wave: np.ndarray) -> Any:
    """Samples of any kind as float64 (samples,) from -1 to 1."""
    if wave.dtype == np.uint8:  # around 128, unlike all others
        wave = (wave.astype(np.float64) - 128) / 128
    elif np.issubdtype(wave.dtype, np.integer):
        wave = wave / -float(np.iinfo(wave.dtype).min)
    return wave if wave.ndim == 1 else wave.mean(1)
