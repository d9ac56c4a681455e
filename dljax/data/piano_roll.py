"""`piano_roll`: music as piano rolls, which of 88 keys sound at each step.

A MATLAB file with the cells `traindata`, `validdata` and `testdata` of arrays (steps,
88), as the classic sets come: JSB Chorales, Piano-midi.de, Nottingham, MuseData
(Boulanger-Lewandowski et al. 2012). Read where it is.
"""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dljax.contract import Source
from dljax.data import Table, first_line, splits
from dljax.errors import DAMAGED_DATA, Refusal

KEYS = 88  # A0 to C8
LOWEST = 21  # A0 in MIDI's numbers
CELLS = {"train": "traindata", "valid": "validdata", "test": "testdata"}


def find(root: pathlib.Path) -> pathlib.Path:
    """The file.

    Raises:
      Refusal: there is none, or more than one.
    """
    files = sorted(root.glob("*.mat"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise Refusal(
            f"--manual_dir={root}: piano_roll needs a folder with one .mat file; "
            f"there is {names}"
        )
    return files[0]


def read(root: pathlib.Path, resize: int) -> Table:
    """A table {"roll": uint8 (n, longest, 88), "length": int32 (n,)}, in three parts.

    Raises:
      Refusal: see `find`; the file is damaged or of another kind.
    """
    del resize
    path = find(root)
    import scipy.io

    try:
        cells = scipy.io.loadmat(path)
    except Exception as error:  # whatever a reader says of a bad file
        raise Refusal(
            f"{path}: cannot be read as a MATLAB file ({first_line(error)})",
            DAMAGED_DATA,
        ) from None
    rolls: list[np.ndarray] = []
    parts = {}
    for part, name in CELLS.items():
        found = list(np.ravel(cells.get(name, ())))
        if not found or any(np.ndim(r) != 2 or np.shape(r)[1] != KEYS for r in found):
            raise Refusal(f"{path}: has no cell {name} of arrays (steps, {KEYS})")
        parts[part] = np.arange(len(rolls), len(rolls) + len(found))
        rolls += found
    return Table("piano_roll", "1.0.0", padded(rolls), parts, ())


def padded(rolls: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """{"roll": uint8 (n, longest, 88), "length": int32 (n,)} of rolls (steps, 88)."""
    length = np.array([len(roll) for roll in rolls], np.int32)
    arrays = np.zeros((len(rolls), length.max(), KEYS), np.uint8)
    for row, roll in zip(arrays, rolls, strict=True):
        row[: len(roll)] = roll != 0
    return {"roll": arrays, "length": length}


class Chords(NamedTuple):
    """A source of chords as numbers, and the frames (chords, 88) that they are.

    Its batches are {"x": the first frame, float32 (b, 88), "before": int32 (b, t), "y":
    int32 (b, t), the chord after each, "y_mask": float32 (b, t), 0 past a piece's end,
    "row": int32 (b,)}.
    """

    source: Source
    frames: np.ndarray


def chords(source: Source, *, longest: int = 0) -> Chords:
    """Every frame of the training pieces as a number; any other is the most like it.

    Args:
      source: of `next_frames`.
      longest: steps after the first of a piece; the rest is cut off; 0: all.

    Raises:
      Refusal: the source has no piano rolls.
    """
    import jax.numpy as jnp

    if "roll" not in source.arrays:
        raise Refusal(f"--dataset={source.name}: has no music, and this takes music")
    roll, length = (np.asarray(source.arrays[name]) for name in ("roll", "length"))
    if longest:
        roll, length = roll[:, : longest + 1], np.minimum(length, longest + 1)
    train = [roll[i, : length[i]] for i in source.split(0)["train"]]
    frames = np.unique(np.concatenate(train), axis=0)
    flat = roll.reshape(-1, KEYS)
    distinct, back = np.unique(flat, axis=0, return_inverse=True)
    apart = [np.abs(frames.astype(int) - frame).sum(-1) for frame in distinct]
    nearest = np.argmin(apart, axis=-1).astype(np.int32)

    def gather(arrays, rows):
        chord, first, ends = (
            jnp.take(arrays[name], rows, axis=0) for name in ("chord", "roll", "length")
        )
        mask = jnp.arange(1, chord.shape[1]).reshape(1, -1) < ends.reshape(-1, 1)
        return {
            "x": first[:, 0].astype(jnp.float32),
            "before": chord[:, :-1],
            "y": chord[:, 1:],
            "y_mask": mask.astype(jnp.float32),
            "row": rows,
        }

    def say(sample):
        """Of what a net made after each first frame, as long as the real piece."""
        there = sample["y_mask"][:, : sample["prediction"].shape[1], None].astype(int)
        real = roll[sample["row"], 1 : 1 + there.shape[1]] * there
        return {"real roll": real, "roll": frames[sample["prediction"]] * there}

    chord = nearest[back].reshape(roll.shape[:2])
    made = source._replace(
        arrays={"roll": roll, "length": length, "chord": chord},
        gather=gather,
        fingerprint=f"{source.fingerprint}-chords{longest}",
        say=say,
    )
    return Chords(made, frames)


def next_frames(table: Table) -> Source:
    """A source of {"x": (b, t, 88), "y": (b, t, 88), "mask": (b, t)}, all float32.

    y is what sounds a step after x; the mask is 0 past a piece's end.
    """
    import jax.numpy as jnp

    from dljax.data.source import order

    def gather(arrays, rows):
        rolls = jnp.take(arrays["roll"], rows, axis=0).astype(jnp.float32)
        length = jnp.take(arrays["length"], rows, axis=0)
        steps = jnp.arange(1, rolls.shape[1])
        mask = steps.reshape(1, -1) < length.reshape(-1, 1)
        return {"x": rolls[:, :-1], "y": rolls[:, 1:], "mask": mask.astype(jnp.float32)}

    return Source(
        name=table.name,
        version=table.version,
        fingerprint=table.fingerprint,
        arrays=table.arrays,
        split=lambda seed: splits(table, seed),
        order=order,
        gather=gather,
    )
