"""Sources of music: next-frame prediction on piano rolls, and chords as tokens."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.piano_roll import KEYS
from dljax.datasets.splits import split_by_seed
from dljax.errors import UserError
from dljax.rendering import PianoRolls
from dljax.sources.resident import order
from dljax.types import Source


class ChordDetails(NamedTuple):
    """The `Source.details` of `chords`.

    Attributes:
      frames: uint8 (chords, 88), the keys of each chord.
    """

    frames: np.ndarray


def chords(source: Source, *, max_len: int = 0) -> Source:
    """Returns a source of frames as tokens: the distinct frames of the training pieces.

    Unseen frames map to the nearest training chord, by the number of keys that differ.

    Args:
      source: a source of `next_frames`.
      max_len: the number of steps of a piece after its first frame, at most; 0: all.

    Returns:
      a source with `ChordDetails`, whose batches have

      - `x`: float32 (b, 88), the first frame.
      - `decoder_inputs`: int32 (b, t), the chord of each step.
      - `y`: int32 (b, t), the next chord of each step.
      - `y_mask`: float32 (b, t), 0 past the end of the piece.
      - `row`: int32 (b,), the index of the piece.

    Raises:
      UserError: the source has no piano rolls.
    """
    if "roll" not in source.arrays:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={source.name}: has no piano rolls; give a data set of music, "
            "such as chorales",
        )
    roll, length = (np.asarray(source.arrays[name]) for name in ("roll", "length"))
    if max_len:
        roll, length = roll[:, : max_len + 1], np.minimum(length, max_len + 1)
    train = [roll[i, : length[i]] for i in source.split(0)["train"]]
    frames = np.unique(np.concatenate(train), axis=0)
    flat = roll.reshape(-1, KEYS)
    distinct, inverse = np.unique(flat, axis=0, return_inverse=True)
    distances = [np.abs(frames.astype(int) - frame).sum(-1) for frame in distinct]
    nearest = np.argmin(distances, axis=-1).astype(np.int32)
    chord = nearest[inverse].reshape(roll.shape[:2])

    def gather(arrays, rows):
        chord, roll, length = (
            jnp.take(arrays[name], rows, axis=0) for name in ("chord", "roll", "length")
        )
        mask = jnp.arange(1, chord.shape[1]).reshape(1, -1) < length.reshape(-1, 1)
        return {
            "x": roll[:, 0].astype(jnp.float32),
            "decoder_inputs": chord[:, :-1],
            "y": chord[:, 1:],
            "y_mask": mask.astype(jnp.float32),
            "row": rows,
        }

    def render(samples):
        """The real and the generated continuation of each first frame, equally long."""
        prediction = samples["prediction"]
        mask = samples["y_mask"][:, : prediction.shape[1], None].astype(int)
        real = roll[samples["row"], 1 : 1 + mask.shape[1]] * mask
        return (
            PianoRolls(role="real", rolls=real),
            PianoRolls(role="generated", rolls=frames[prediction] * mask),
        )

    return source._replace(
        arrays={"roll": roll, "length": length, "chord": chord},
        gather=gather,
        fingerprint=f"{source.fingerprint}-chords{max_len}",
        render=render,
        details=ChordDetails(frames),
    )


def next_frames(dataset: ArrayDataset) -> Source:
    """Returns a source of piano rolls for next-frame prediction.

    Args:
      dataset: music (see `ArrayDataset`).

    Returns:
      a source whose batches have, in float32,

      - `x`: (b, t, 88), the frames.
      - `y`: (b, t, 88), the frames one step later.
      - `mask`: (b, t), 0 past the end of the piece.
    """

    def gather(arrays, rows):
        rolls = jnp.take(arrays["roll"], rows, axis=0).astype(jnp.float32)
        length = jnp.take(arrays["length"], rows, axis=0)
        steps = jnp.arange(1, rolls.shape[1])
        mask = steps.reshape(1, -1) < length.reshape(-1, 1)
        return {"x": rolls[:, :-1], "y": rolls[:, 1:], "mask": mask.astype(jnp.float32)}

    return Source(
        name=dataset.name,
        version=dataset.version,
        fingerprint=dataset.fingerprint,
        arrays=dataset.arrays,
        split=split_by_seed(dataset),
        order=order,
        gather=gather,
    )
