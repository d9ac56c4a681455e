"""Video clips: digits that move, and real frames taken at several strides.

Clips are made on the device, in `gather`, of an image or frames and a few integers an
example; they are never stored.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import UserError
from dljax.sources.resident import order
from dljax.types import Source

# The compass by angle, and its steps (down, right).
COMPASS = {
    "east": (0, 1),
    "northeast": (-1, 1),
    "north": (-1, 0),
    "northwest": (-1, -1),
    "west": (0, -1),
    "southwest": (1, -1),
    "south": (1, 0),
    "southeast": (1, 1),
}


def moving_digits(
    source: Source,
    *,
    label: str = "direction",
    directions: int = 8,
    frames: int = 16,
    size: int = 32,
    seed: int = 0,
) -> Source:
    """Every image moves in a straight line over an empty square, and back again.

    Of n images there are 2 n clips: clip i + n is clip i with its frames in reverse,
    the same frames with the opposite direction. So a net that does not see their order
    is right on one of the two at most. (The first frame
    alone may tell the direction, since there has to be room ahead; the middle one does
    not.) Both are of one part of every split. Speed (whole pixels a frame) and start
    are drawn such that the image never leaves; like the direction they are the same for
    all seeds of a run.

    Args:
      source: of images (h, w, c); they keep their size.
      label: what to tell: the "direction", or the image's own ("digit").
      directions: 2 (east and west), 4 (and north and south) or 8.

    Returns:
      a source of {"image": float32 in [0, 1] (b, frames, size, size, c), "label": int32
      (b,)}.

    Raises:
      KeyError: another label or number of directions.
      UserError: the images have no room to move.
    """
    n, height, width, _ = source.arrays["image"].shape
    room = np.array([size - height, size - width])
    if min(room) < frames - 1:
        raise UserError(
            f"--frame_size={size}: images of {height}x{width} need at least "
            f"{max(height, width) + frames - 1} to move over {frames} frames"
        )
    names = tuple(COMPASS)[:: {2: 4, 4: 2, 8: 1}[directions]]
    rng = np.random.default_rng(seed)
    direction = rng.integers(0, directions, n)
    speed = rng.integers(1, min(room) // (frames - 1) + 1, n)
    step = np.array([COMPASS[name] for name in names])[direction] * speed[:, None]
    way = step * (frames - 1)
    start = rng.integers(np.maximum(0, -way), room - np.maximum(0, way) + 1)
    motion = {"start": start, "step": step, "direction": direction}

    def gather(arrays, rows):
        image = rows % n
        back = rows >= n
        batch = source.gather(arrays, image)
        start, step, direction = (
            jnp.take(arrays[name], image, axis=0) for name in motion
        )
        time = jnp.arange(frames)[None]
        time = jnp.where(back[:, None], frames - 1 - time, time)
        places = start[:, None] + step[:, None] * time[..., None]
        told = {
            "digit": batch["label"],
            "direction": (direction + back * (directions // 2)) % directions,
        }
        return {"image": _drawn(batch["image"], places, size), "label": told[label]}

    return source._replace(
        name=f"{source.name}-moving",
        fingerprint=(
            f"{source.fingerprint}-moving-{label}{directions}.{frames}.{size}.{seed}"
        ),
        arrays={
            **source.arrays,
            **{name: values.astype(np.int32) for name, values in motion.items()},
        },
        split=lambda seed: {
            part: np.concatenate([rows, rows + n])
            for part, rows in source.split(seed).items()
        },
        gather=gather,
        classes={"direction": names, "digit": source.classes}[label],
    )


def _drawn(images, places, size):
    """Images (b, h, w, c) at places (b, t, 2) of empty squares: (b, t, size, size, c).

    A square is a window of the image with an empty margin: on CPU 2 to 4 times as fast
    as to write the image into it.
    """
    _, height, width, channels = images.shape
    margin = np.array([size - height, size - width])
    wide = jnp.pad(images, ((0, 0), *((m, m) for m in margin), (0, 0)))

    def window(image, place):
        corner = (*(margin - place), 0)
        return lax.dynamic_slice(image, corner, (size, size, channels))

    return jax.vmap(jax.vmap(window, (None, 0)))(wide, places)


def frame_stride(
    table: ArrayDataset,
    *,
    size: int = 64,
    frames: int = 8,
    strides: tuple[int, ...] = (1, 2, 4, 8),
    crop: int = 64,
) -> Source:
    """Clips of a video, taken at several strides; the label is which.

    Each place of a grid of crops and each moment has a clip of every stride, centred at
    that moment: so neither place nor time tells the stride. No clip crosses a border
    between parts: the table's train frames but the last quarter are for training, that
    quarter is for validation, and its test frames for testing.

    Args:
      table: {"image": uint8 (n, h, w, c)}, the frames in order.
      size: a crop becomes (size, size) by means of its pixels; a divisor of `crop`.
      crop: pixels of the frame.

    Returns:
      a source of {"image": float32 in [0, 1] (b, frames, size, size, c), "label": int32
      (b,)}, whose arrays are the crops of all frames, and where a clip begins.

    Raises:
      UserError: `size` is not a divisor of `crop`, or frames are smaller than that.
    """
    n, height, width, channels = table.arrays["image"].shape
    if crop % size or min(height, width) < crop:
        raise UserError(
            f"--resize={size}: clips are {crop}x{crop} of frames of {height}x{width}; "
            f"they can become {crop // 2}, {crop // 4} ..."
        )
    down, right, mean = height // crop, width // crop, crop // size
    tiles = table.arrays["image"][:, : down * crop, : right * crop].reshape(
        n, down, size, mean, right, size, mean, channels
    )
    # Sums of up to 64x64 pixels of 8 bits: means would be rounded.
    sums = tiles.sum((3, 6), dtype=np.uint8 if mean == 1 else np.uint32)
    sums = sums.transpose(1, 3, 0, 2, 4, 5).reshape(-1, size, size, channels)
    train, valid = np.split(table.parts["train"], [len(table.parts["train"]) * 3 // 4])
    parts = {"train": train, "valid": valid, "test": table.parts["test"]}
    before, after = _reach(frames, max(strides))
    begin: list[np.ndarray] = []
    label: list[np.ndarray] = []
    rows, count = {}, 0
    for part, times in parts.items():
        centres = times[before : len(times) - after]
        place, which, centre = (
            axis.ravel()
            for axis in np.meshgrid(
                np.arange(down * right), np.arange(len(strides)), centres, indexing="ij"
            )
        )
        first = np.array([_reach(frames, stride)[0] for stride in strides])
        begin.append(place * n + centre - first[which])
        label.append(which)
        rows[part] = np.arange(count, count := count + len(which))

    def gather(arrays, rows):
        label = jnp.take(arrays["label"], rows)
        step = jnp.take(jnp.array(strides), label)
        begin = jnp.take(arrays["begin"], rows)
        times = begin[:, None] + step[:, None] * jnp.arange(frames)[None]
        pixels = jnp.take(arrays["frames"], times, axis=0).astype(jnp.float32)
        return {"image": pixels / (table.max_value * mean**2), "label": label}

    named = ".".join(map(str, strides))
    return Source(
        name=table.name,
        version=table.version,
        fingerprint=f"{table.fingerprint}-{frames}.{size}.{crop}-stride{named}",
        arrays={
            "frames": sums,
            "begin": np.concatenate(begin).astype(np.int32),
            "label": np.concatenate(label).astype(np.int32),
        },
        split=lambda seed: rows,
        order=order,
        gather=gather,
        classes=tuple(map(str, strides)),
    )


def _reach(frames: int, stride: int) -> tuple[int, int]:
    """Frames before and after the centre of a clip."""
    span = (frames - 1) * stride
    return span // 2, span - span // 2
