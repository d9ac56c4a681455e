"""Video clips: moving images, and clips of a real video at several strides.

`gather` assembles clips on the device from images and a few integers per clip; clips
are never stored.
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

# Compass directions by angle, as steps (down, right).
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
    """Returns a source of clips of images that move in a straight line.

    n images give 2 n clips: clip i + n is clip i with its frames reversed, which has
    the opposite direction. So a network that ignores the order of frames is right on at
    most one clip of each pair. (The first frame alone may predict the direction, since
    there must be room ahead; the middle frame does not.) Both clips of a pair are in
    one split. Speed (integer pixels per frame) and start are drawn such that the image
    stays inside the frame.

    Args:
      source: images (h, w, c); they keep their size.
      label: the label of a clip: its "direction", or the label of its image, "digit".
      directions: 2 (east, west), 4 (also north, south) or 8.
      frames: the number of frames of a clip.
      size: the side of a frame in pixels.
      seed: selects the motions, which are the same for all seeds of a study.

    Returns:
      a source whose batches have `image`, float32 (b, frames, size, size, c) in [0, 1],
      and `label`, int32 (b,).

    Raises:
      KeyError: another label or number of directions.
      UserError: the images have no room to move.
    """
    n, height, width, _ = source.arrays["image"].shape
    room = np.array([size - height, size - width])
    if min(room) < frames - 1:
        raise UserError(
            "frame-too-small",
            f"--frame_size={size}: is too small for images of {height}x{width} to "
            f"move over {frames} frames; give "
            f"--frame_size={max(height, width) + frames - 1} or more",
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
    """Places images (b, h, w, c) at positions (b, t, 2) on empty squares: (b, t, size,
    size, c).

    Each square is a window of the padded image: on CPU this is 2 to 4 times as fast as
    writing the image into the square.
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
    """Returns a source of clips of one video at several strides, labelled by stride.

    Frames are cut into a grid of crops. Each crop and time has one clip per stride,
    centred at that time, so that neither position nor time predicts the stride. No clip
    spans two splits: the last quarter of the data set's train frames is the validation
    split.

    Args:
      dataset: video (see `ArrayDataset`), with frames (h, w, c).
      size: the side in pixels to which a crop is shrunk, by averaging; a divisor of
        `crop`.
      frames: the number of frames of a clip.
      strides: the distances in frames between the frames of a clip.
      crop: the side of a crop in pixels of the video.

    Returns:
      a source whose batches have `image`, float32 (b, frames, size, size, c) in [0, 1],
      and `label`, int32 (b,), an index into `strides`.

    Raises:
      UserError: `size` does not divide `crop`, or the frames are smaller than `crop`.
    """
    n, height, width, _ = dataset.arrays["image"].shape
    if crop % size or min(height, width) < crop:
        raise UserError(
            "frame-size-not-reachable",
            f"--resize={size}: clips are crops of {crop}x{crop} from frames of "
            f"{height}x{width}; give --resize={crop // 2} or another divisor of {crop}",
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
    """Cuts frames (n, h, w, c) into a grid of crops and sums blocks of pixels: (crops
    n, size, size, c), crop by crop.

    Integer sums are exact, and fit for up to 64x64 pixels of 8 bits; means would be
    rounded.
    """
    n, height, width, channels = images.shape
    down, right, side = height // crop, width // crop, crop // size
    tiles = images[:, : down * crop, : right * crop].reshape(
        n, down, size, side, right, size, side, channels
    )
    sums = tiles.sum((3, 6), dtype=np.uint8 if side == 1 else np.uint32)
    return sums.transpose(1, 3, 0, 2, 4, 5).reshape(-1, size, size, channels)


class _Clips(NamedTuple):
    """Clips of all splits.

    Attributes:
      begin: the index of each clip's first frame in the frames of all crops.
      label: the index of each clip's stride.
      rows: {split: indices of clips}.
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
    """Lists one clip per crop, stride and time with room for the largest stride.

    Args:
      parts: {split: indices of its frames, in order}.
      crops: the number of crops per frame.
      total: the number of frames of all splits.
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
    """The numbers of frames of the video before and after the centre of a clip."""
    span = (frames - 1) * stride
    return span // 2, span - span // 2
