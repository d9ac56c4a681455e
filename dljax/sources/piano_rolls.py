"""Sources of music: the next frame of a piano roll, or frames as numbered chords."""

from typing import NamedTuple

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.piano_roll import KEYS
from dljax.datasets.splits import split_by_seed
from dljax.errors import UserError
from dljax.rendering import PianoRolls
from dljax.types import Source


class ChordDetails(NamedTuple):
    """frames: (chords, 88), the frame of each chord."""

    frames: np.ndarray


def chords(source: Source, *, longest: int = 0) -> Source:
    """Every frame of the training pieces as a number; any other is the most like it.

    Its batches are {"x": the first frame, float32 (b, 88), "decoder_inputs": int32 (b,
    t), "y": int32 (b, t), the chord after each, "y_mask": float32 (b, t), 0 past a
    piece's end, "row": int32 (b,)}; its details are `ChordDetails`.

    Args:
      source: of `next_frames`.
      longest: steps after the first of a piece; the rest is cut off; 0: all.

    Raises:
      UserError: the source has no piano rolls.
    """
    import jax.numpy as jnp

    if "roll" not in source.arrays:
        raise UserError(f"--dataset={source.name}: has no music, and this takes music")
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
            "decoder_inputs": chord[:, :-1],
            "y": chord[:, 1:],
            "y_mask": mask.astype(jnp.float32),
            "row": rows,
        }

    def render(samples):
        """What a network generates after each first frame, as long as the piece."""
        prediction = samples["prediction"]
        mask = samples["y_mask"][:, : prediction.shape[1], None].astype(int)
        real = roll[samples["row"], 1 : 1 + mask.shape[1]] * mask
        return (
            PianoRolls(role="real", rolls=real),
            PianoRolls(role="generated", rolls=frames[prediction] * mask),
        )

    chord = nearest[back].reshape(roll.shape[:2])
    return source._replace(
        arrays={"roll": roll, "length": length, "chord": chord},
        gather=gather,
        fingerprint=f"{source.fingerprint}-chords{longest}",
        render=render,
        details=ChordDetails(frames),
    )


def next_frames(table: ArrayDataset) -> Source:
    """A source of {"x": (b, t, 88), "y": (b, t, 88), "mask": (b, t)}, all float32.

    y is what sounds a step after x; the mask is 0 past a piece's end.
    """
    import jax.numpy as jnp

    from dljax.sources.resident import order

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
        split=split_by_seed(table),
        order=order,
        gather=gather,
    )
