"""Piano rolls as MIDI and WAV files, sounds as WAV files, and both for a page."""

import base64
import io
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dljax.datasets.piano_roll import LOWEST
from dljax.errors import UserError, import_extra
from dljax.rendering import Audio

SAMPLE_RATE = 8000  # of synthesized music
SECONDS_PER_STEP = 0.25
MAX_STEPS = 64  # of a piano roll on a page
MAX_SOUNDS = 5  # of a kind on a page, one after another
VELOCITY = 80  # of 127


def write_piano_rolls(
    rolls: Mapping[str, np.ndarray], folder: pathlib.Path
) -> list[dict[str, str]]:
    """Writes NAME.mid and NAME.wav of rolls (steps, 88) of zeros and ones.

    Returns:
      [{"name", "data": the WAV file as a data URI}]; one with a "note" instead where
      the extra `music` is not installed; empty without generated notes, as of rolls of
      probabilities.
    """
    binary = {name: roll for name, roll in rolls.items() if is_binary(roll)}
    if len(binary) < 2:  # the real one alone
        return []
    try:
        _require_pretty_midi()
    except UserError as error:
        return [{"name": "music", "note": str(error)}]
    entries = []
    for name, roll in binary.items():
        _, wav = write_music(roll[:MAX_STEPS], folder / _stem(name))
        entries.append(_embed(name, wav.read_bytes()))
    return entries


def is_binary(rolls: np.ndarray) -> bool:
    """Whether rolls hold notes, and not probabilities."""
    return set(np.unique(rolls)) <= {0, 1}


def write_music(roll: np.ndarray, stem: pathlib.Path) -> tuple[pathlib.Path, ...]:
    """Writes STEM.mid and STEM.wav of a roll (steps, 88) of zeros and ones.

    Raises:
      UserError: the extra `music` is not installed.
    """
    _require_pretty_midi()
    tune = _to_midi(roll)
    midi, wav = stem.with_name(f"{stem.name}.mid"), stem.with_name(f"{stem.name}.wav")
    tune.write(str(midi))
    wav.write_bytes(_synthesize(tune))
    return midi, wav


def write_sounds(
    sounds: Iterable[tuple[str, Audio]], folder: pathlib.Path
) -> list[dict[str, str]]:
    """Writes NAME.wav of the first sounds of each kind, one after another; returns as
    `write_piano_rolls`.
    """
    entries = []
    for name, audio in sounds:
        wave = audio.waveforms[:MAX_SOUNDS].reshape(-1)
        data = encode_wav(wave, audio.sample_rate)
        (folder / f"{_stem(name)}.wav").write_bytes(data)
        entries.append(_embed(name, data))
    return entries


def encode_wav(wave: np.ndarray, sample_rate: int) -> bytes:
    """A WAV file of int16 (samples,)."""
    import scipy.io.wavfile

    file = io.BytesIO()
    scipy.io.wavfile.write(file, sample_rate, wave)
    return file.getvalue()


def _require_pretty_midi() -> None:
    import_extra("pretty_midi", extra="music", purpose="to be heard, a piano roll")


def _stem(name: str) -> str:
    """The name of a file: without the classes that follow a colon."""
    return name.split(":")[0].replace("/", "_").replace(", ", "_").replace(" ", "_")


def _embed(name: str, data: bytes) -> dict[str, str]:
    uri = f"data:audio/wav;base64,{base64.b64encode(data).decode()}"
    return {"name": name, "data": uri}


def _to_midi(roll: np.ndarray) -> Any:
    """A pretty_midi tune; a key that sounds at several steps in a row is one note."""
    import pretty_midi

    piano = pretty_midi.Instrument(program=0)
    edges = np.diff(np.pad(roll.astype(int), ((1, 1), (0, 0))), axis=0)
    for key in range(roll.shape[1]):
        starts, ends = (np.flatnonzero(edges[:, key] == sign) for sign in (1, -1))
        for start, end in zip(starts, ends, strict=True):
            piano.notes.append(
                pretty_midi.Note(
                    VELOCITY,
                    LOWEST + key,
                    start * SECONDS_PER_STEP,
                    end * SECONDS_PER_STEP,
                )
            )
    tune = pretty_midi.PrettyMIDI(initial_tempo=60 / SECONDS_PER_STEP)
    tune.instruments.append(piano)
    return tune


def _synthesize(tune: Any) -> bytes:
    wave = tune.synthesize(fs=SAMPLE_RATE)
    peak = max(np.abs(wave).max(initial=0), 1e-9)
    return encode_wav((wave / peak * 2**14).astype(np.int16), SAMPLE_RATE)
