"""Video clips: digits that move, and real frames taken at several strides.

Clips are made on the device, in `gather`, of an image or frames and a few integers an
example; they are never stored.
"""

from typing import NamedTuple

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
    the same frames with the opposite direction. So a net that ignores the order of
    frames is right on one of the two at most. (The first frame alone may predict the
    direction, since there has to be room ahead; the middle frame does not.) Both clips
    are in one part of every split. Speed (whole pixels a frame) and start are drawn so
    that the image stays inside; like the direction they are the same for all seeds.

    Args:
      source: of images (h, w, c); they keep their size.
      label: the label of a clip: its "direction", or that of the image ("digit").
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
            "frame-too-small",
            f"--frame_size={size}: images of {height}x{width} need at least "
            f"{max(height, width) + frames - 1} to move over {frames} frames",
        )
    names = tuple(COMPASS)[:: {2: 4, 4: 2, 8: 1}[directions]]
    rng = np.random.default_rng(seed)
    direction = rng.integers(0, directions, n)
    speed = rng.integers(1, min(room) // (frames - 1) + 1, n)
    step = np.array([COMPASS[name] for name in names])[direction] * speed[:, None]
    path = step * (frames - 1)
    start = rng.integers(np.maximum(0, -path), room - np.maximum(0, path) + 1)
    motion = {"start": start, "step": step, "direction": direction}

    def gather(arrays, rows):
        image = rows % n
        reverse = rows >= n
        batch = source.gather(arrays, image)
        start, step, direction = (
            jnp.take(arrays[name], image, axis=0) for name in motion
        )
        time = jnp.arange(frames)[None]
        time = jnp.where(reverse[:, None], frames - 1 - time, time)
        positions = start[:, None] + step[:, None] * time[..., None]
        labels = {
            "digit": batch["label"],
            "direction": (direction + reverse * (directions // 2)) % directions,
        }
        clips = _place_on_squares(batch["image"], positions, size)
        return {"image": clips, "label": labels[label]}

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


def _place_on_squares(images, positions, size):
    """Images (b, h, w, c) at positions (b, t, 2) of empty squares: (b, t, size, size,
    c).

    A square is a window of the image with an empty margin: on CPU 2 to 4 times as fast
    as writing the image into the square.
    """
    _, height, width, channels = images.shape
    margin = np.array([size - height, size - width])
    padded = jnp.pad(images, ((0, 0), *((m, m) for m in margin), (0, 0)))

    def window(image, position):
        corner = (*(margin - position), 0)
        return lax.dynamic_slice(image, corner, (size, size, channels))

    return jax.vmap(jax.vmap(window, (None, 0)))(padded, positions)


def frame_stride(
    dataset: ArrayDataset,
    *,
    size: int = 64,
    frames: int = 8,
    strides: tuple[int, ...] = (1, 2, 4, 8),
    crop: int = 64,
) -> Source:
    """Clips of a video, taken at several strides; the label is the stride.

    Each crop of a grid and each moment has a clip of every stride, centred at that
    moment: so neither position nor time predicts the stride. No clip crosses a border
    between parts: the data set's train frames but the last quarter are for training,
    that quarter is for validation, and its test frames for testing.

    Args:
      dataset: {"image": uint8 (n, h, w, c)}, the frames in order.
      size: a crop becomes (size, size) by means of its pixels; a divisor of `crop`.
      crop: pixels of the frame.

    Returns:
      a source of {"image": float32 in [0, 1] (b, frames, size, size, c), "label": int32
      (b,)}. Its arrays are the crops of all frames and the begin of each clip.

    Raises:
      UserError: `size` is not a divisor of `crop`, or frames are smaller than that.
    """
    n, height, width, _ = dataset.arrays["image"].shape
    if crop % size or min(height, width) < crop:
        raise UserError(
            "frame-size-not-reachable",
            f"--resize={size}: clips are {crop}x{crop} of frames of {height}x{width}; "
            f"they can become {crop // 2}, {crop // 4} ...",
        )
    train, test = dataset.parts["train"], dataset.parts["test"]
    train, valid = np.split(train, [len(train) * 3 // 4])
    clips = _stride_clips(
        {"train": train, "valid": valid, "test": test},
        crops=(height // crop) * (width // crop),
        total=n,
        frames=frames,
        strides=strides,
    )
    pixels_per_sum = (crop // size) ** 2

    def gather(arrays, rows):
        label = jnp.take(arrays["label"], rows)
        step = jnp.take(jnp.array(strides), label)
        begin = jnp.take(arrays["begin"], rows)
        times = begin[:, None] + step[:, None] * jnp.arange(frames)[None]
        sums = jnp.take(arrays["frames"], times, axis=0).astype(jnp.float32)
        image = sums / (dataset.max_value * pixels_per_sum)
        return {"image": image, "label": label}

    suffix = ".".join(map(str, strides))
    return Source(
        name=dataset.name,
        version=dataset.version,
        fingerprint=f"{dataset.fingerprint}-{frames}.{size}.{crop}-stride{suffix}",
        arrays={
            "frames": _sum_crops(dataset.arrays["image"], crop, size),
            "begin": clips.begin.astype(np.int32),
            "label": clips.label.astype(np.int32),
        },
        split=lambda seed: clips.rows,
        order=order,
        gather=gather,
        classes=tuple(map(str, strides)),
    )


def _sum_crops(images: np.ndarray, crop: int, size: int) -> np.ndarray:
    """The crops of frames (n, h, w, c), in a grid, as sums of pixels: (crops n, size,
    size, c), crop by crop.

    Sums of up to 64x64 pixels of 8 bits: means would be rounded.
    """
    n, height, width, channels = images.shape
    down, right, side = height // crop, width // crop, crop // size
    tiles = images[:, : down * crop, : right * crop].reshape(
        n, down, size, side, right, size, side, channels
    )
    sums = tiles.sum((3, 6), dtype=np.uint8 if side == 1 else np.uint32)
    return sums.transpose(1, 3, 0, 2, 4, 5).reshape(-1, size, size, channels)


class _Clips(NamedTuple):
    """begin: the first frame of each clip, among the frames of all crops. label: which
    stride. rows: {part: clips}.
    """

    begin: np.ndarray
    label: np.ndarray
    rows: dict[str, np.ndarray]


def _stride_clips(
    parts: dict[str, np.ndarray],
    *,
    crops: int,
    total: int,
    frames: int,
    strides: tuple[int, ...],
) -> _Clips:
    """One clip of every crop, stride and moment that has room for the largest stride.

    Args:
      parts: {part: its frames, in order}, of `total` frames.
    """
    margin_before, margin_after = _reach(frames, max(strides))
    first = np.array([_reach(frames, stride)[0] for stride in strides])
    begin: list[np.ndarray] = []
    label: list[np.ndarray] = []
    rows, count = {}, 0
    for part, times in parts.items():
        centres = times[margin_before : len(times) - margin_after]
        grid = np.meshgrid(
            np.arange(crops), np.arange(len(strides)), centres, indexing="ij"
        )
        crop, stride, centre = (axis.ravel() for axis in grid)
        begin.append(crop * total + centre - first[stride])
        label.append(stride)
        rows[part] = np.arange(count, count := count + len(stride))
    return _Clips(np.concatenate(begin), np.concatenate(label), rows)


def _reach(frames: int, stride: int) -> tuple[int, int]:
    """Frames before and after the centre of a clip."""
    span = (frames - 1) * stride
    return span // 2, span - span // 2
