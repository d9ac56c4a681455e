"""`audio_folder`: WAV files in one folder per class.

DIR/CLASS/*.wav, or DIR/train/CLASS/*.wav and DIR/test/CLASS/*.wav; see `class_folders`.
Each file becomes a mel spectrogram of its first second (see `spectrogram`). Files may
have any sample rate; their channels are averaged. The voice of a file, which
`sources.speaker_splits` may hold out, is its name up to the first underscore ("anna" of
anna_01.wav), or the whole name.
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
    """Lists the WAV files of each split and class; see `class_folders.find`."""
    return class_folders.find(root, SOUNDS)


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Reads the sounds: arrays {"image", "label", "voice"} (see `ArrayDataset`).

    Args:
      resize: ignored; spectrograms have a fixed size.

    Raises:
      UserError: see `find` and `read_wav`.
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
    """Reads two seconds of a WAV file: int16 (samples,) at `spectrogram.SAMPLE_RATE`.

    Raises:
      UserError: the file is damaged or has no samples.
    """
    import scipy.io.wavfile
    import scipy.signal

    try:
        with warnings.catch_warnings():  # of chunks without samples
            warnings.simplefilter("ignore", scipy.io.wavfile.WavFileWarning)
            rate, wave = scipy.io.wavfile.read(path)
        if not len(wave):
            raise ValueError("no samples")
        wave = _float_mono(wave[: 2 * rate])  # a spectrogram shows one second
        common = math.gcd(rate, spectrogram.SAMPLE_RATE)
        wave = scipy.signal.resample_poly(
            wave, spectrogram.SAMPLE_RATE // common, rate // common
        )
    except Exception as error:  # decoders raise many types
        raise UserError(
            "damaged-audio",
            f"{path}: cannot be read as a WAV file ({first_line(error)}); replace or "
            "remove it",
            DAMAGED_DATA,
        ) from None
    return np.round(np.clip(wave, -1, 1) * (2**15 - 1)).astype(np.int16)


def _float_mono(wave: np.ndarray) -> Any:
    """The mean of the channels: float64 (samples,) in [-1, 1]."""
    if wave.dtype == np.uint8:  # unsigned, with silence at 128
        wave = (wave.astype(np.float64) - 128) / 128
    elif np.issubdtype(wave.dtype, np.integer):
        wave = wave / -float(np.iinfo(wave.dtype).min)
    return wave if wave.ndim == 1 else wave.mean(1)
