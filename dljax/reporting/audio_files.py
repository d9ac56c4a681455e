"""Piano rolls as MIDI and WAV files, sounds as WAV, and both heard in the report."""

import base64
import io
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from dljax.datasets.piano_roll import LOWEST
from dljax.datasets.spectrogram import RATE
from dljax.errors import UserError, package

STEP = 0.25  # seconds
HEARD = 64  # steps
LOUDNESS = 80  # of 127


def written(
    pieces: Mapping[str, np.ndarray], folder: pathlib.Path
) -> list[dict[str, str]]:
    """Writes NAME.mid and NAME.wav of rolls (steps, 88) of zeros and ones.

    Returns:
      [{"name", "data": the WAV file as a data URI}]; one with a "note" instead, where
      the extra `music` is not installed; empty where there is nothing to hear, as of
      rolls of probabilities.
    """
    heard = {k: roll for k, roll in pieces.items() if set(np.unique(roll)) <= {0, 1}}
    if len(heard) < 2:  # the real one alone
        return []
    try:
        package("pretty_midi", extra="music", what="to be heard, a piano roll")
    except UserError as refusal:
        return [{"name": "music", "note": str(refusal)}]
    found = []
    for name, roll in heard.items():
        *_, wave = music(roll[:HEARD], folder / _stem(name))
        found.append(_linked(name, wave.read_bytes()))
    return found


def music(roll: np.ndarray, stem: pathlib.Path) -> list[pathlib.Path]:
    """Writes STEM.mid and STEM.wav of a roll (steps, 88) of zeros and ones.

    Raises:
      UserError: the extra `music` is not installed.
    """
    package("pretty_midi", extra="music", what="to be heard, a piano roll")
    tune = _tune(roll)
    score, wave = stem.with_name(f"{stem.name}.mid"), stem.with_name(f"{stem.name}.wav")
    tune.write(str(score))
    wave.write_bytes(_played(tune))
    return [score, wave]


def recorded(
    sounds: Mapping[str, np.ndarray], folder: pathlib.Path
) -> list[dict[str, str]]:
    """Writes NAME.wav of sounds int16 (samples,); returns as `written`."""
    return [_kept(name, wav(wave), folder) for name, wave in sounds.items()]


def _stem(name: str) -> str:
    """The name of a file: without the classes that follow a colon."""
    return name.split(":")[0].replace("/", "_").replace(", ", "_").replace(" ", "_")


def _kept(name: str, data: bytes, folder: pathlib.Path) -> dict[str, str]:
    (folder / f"{_stem(name)}.wav").write_bytes(data)
    return _linked(name, data)


def _linked(name: str, data: bytes) -> dict[str, str]:
    uri = f"data:audio/wav;base64,{base64.b64encode(data).decode()}"
    return {"name": name, "data": uri}


def _tune(roll: np.ndarray) -> Any:
    """A pretty_midi tune; a key that sounds at several steps in a row is held."""
    import pretty_midi

    piano = pretty_midi.Instrument(program=0)
    edges = np.diff(np.pad(roll.astype(int), ((1, 1), (0, 0))), axis=0)
    for key in range(roll.shape[1]):
        begins, ends = (np.flatnonzero(edges[:, key] == sign) for sign in (1, -1))
        for begin, end in zip(begins, ends, strict=True):
            piano.notes.append(
                pretty_midi.Note(LOUDNESS, LOWEST + key, begin * STEP, end * STEP)
            )
    tune = pretty_midi.PrettyMIDI(initial_tempo=60 / STEP)
    tune.instruments.append(piano)
    return tune


def _played(tune: Any) -> bytes:
    wave = tune.synthesize(fs=RATE)
    loudest = max(np.abs(wave).max(initial=0), 1e-9)
    return wav((wave / loudest * 2**14).astype(np.int16))


def wav(wave: np.ndarray) -> bytes:
    """A WAV file of int16 (samples,)."""
    import scipy.io.wavfile

    file = io.BytesIO()
    scipy.io.wavfile.write(file, RATE, wave)
    return file.getvalue()
