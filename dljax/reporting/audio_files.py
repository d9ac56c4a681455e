"""Writes piano rolls as MIDI and WAV files and sounds as WAV files."""

import base64
import io
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from dljax.datasets.piano_roll import LOWEST
from dljax.errors import UserError, import_extra
from dljax.rendering import Audio

SAMPLE_RATE = 8000  # Hz, of synthesized music
SECONDS_PER_STEP = 0.25
MAX_STEPS = 64  # of a piano roll in a report
MAX_SOUNDS = 5  # per kind in a report, joined to one file
VELOCITY = 80  # of 127


def write_piano_rolls(
    rolls: Mapping[str, np.ndarray], folder: pathlib.Path
) -> list[dict[str, str]]:
    """Writes NAME.mid and NAME.wav for each binary roll (steps, 88).

    Returns:
      [{"name", "data": the WAV file as a data URI}]; one entry with a "note" if the
      extra `music` is not installed; empty if no variant has a binary roll.
    """
    binary = {name: roll for name, roll in rolls.items() if is_binary(roll)}
    if len(binary) < 2:  # only the real roll
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
    """Whether rolls contain notes (zeros and ones) instead of probabilities."""
    return set(np.unique(rolls)) <= {0, 1}


def write_music(roll: np.ndarray, stem: pathlib.Path) -> tuple[pathlib.Path, ...]:
    """Writes STEM.mid and STEM.wav for a binary roll (steps, 88); returns both paths.

    Raises:
      UserError: the extra `music` is not installed.
    """
    _require_pretty_midi()
    tune = _to_midi(roll)
    midi, wav = stem.with_name(f"{stem.name}.mid"), stem.with_name(f"{stem.name}.wav")
    midi.parent.mkdir(parents=True, exist_ok=True)
    tune.write(str(midi))
    wav.write_bytes(_synthesize(tune))
    return midi, wav


def write_sounds(
    sounds: Iterable[tuple[str, Audio]], folder: pathlib.Path
) -> list[dict[str, str]]:
    """Writes NAME.wav per kind, its first sounds joined; see `write_piano_rolls`."""
    entries = []
    for name, audio in sounds:
        wave = audio.waveforms[:MAX_SOUNDS].reshape(-1)
        data = encode_wav(wave, audio.sample_rate)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{_stem(name)}.wav").write_bytes(data)
        entries.append(_embed(name, data))
    return entries


def encode_wav(wave: np.ndarray, sample_rate: int) -> bytes:
    """Encodes int16 (samples,) as the bytes of a WAV file."""
    import scipy.io.wavfile

    file = io.BytesIO()
    scipy.io.wavfile.write(file, sample_rate, wave)
    return file.getvalue()


def _require_pretty_midi() -> None:
    import_extra("pretty_midi", extra="music", purpose="writing MIDI and WAV files")


def _stem(name: str) -> str:
    """Returns the name of a file: a name without the classes after its colon."""
    return name.split(":")[0].replace("/", "_").replace(", ", "_").replace(" ", "_")


def _embed(name: str, data: bytes) -> dict[str, str]:
    uri = f"data:audio/wav;base64,{base64.b64encode(data).decode()}"
    return {"name": name, "data": uri}


def _to_midi(roll: np.ndarray) -> Any:
    """Converts a roll to a pretty_midi tune; adjacent steps of a key are one note."""
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
