"""Transforms of sources: (source, ...) -> source.

A transform that changes data changes the fingerprint.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dljax.errors import UserError
from dljax.sources.resident import take_rows
from dljax.types import Source

BINARIZATIONS = ("none", "threshold", "static", "dynamic")
WHITE = 0.5  # the threshold of black and white pixels


def on_canvas(
    source: Source, size: int, *, centred: bool = False, seed: int = 0
) -> Source:
    """Places each image at a random position on an empty square.

    Args:
      source: images (h, w, c).
      size: the side of the square in pixels.
      centred: whether all images are placed in the centre.
      seed: selects the positions, which are the same for all seeds of a study.

    Returns:
      a source whose batches have images (b, size, size, c), and `place`, int32 (b,),
      the index of the position, row by row.

    Raises:
      UserError: the images are larger than the square, or the source has clips.
    """
    if "image" not in source.arrays:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={source.name}: has no images to place; give a data set of "
            "images, such as digits",
        )
    images = source.arrays["image"]
    n, height, width, channels = images.shape
    if size < max(height, width):
        raise UserError(
            "canvas-too-small",
            f"--canvas={size}: is smaller than the images, {height}x{width}; give "
            f"--canvas={max(height, width)} or more",
        )
    rng = np.random.default_rng(seed)
    tops = rng.integers(0, size - height + 1, n)
    lefts = rng.integers(0, size - width + 1, n)
    if centred:
        tops, lefts = np.full(n, (size - height) // 2), np.full(n, (size - width) // 2)
    rows = tops[:, None, None] + np.arange(height)[:, None]
    columns = lefts[:, None, None] + np.arange(width)
    placed = np.zeros((n, size, size, channels), images.dtype)
    placed[np.arange(n)[:, None, None], rows, columns] = images
    position = tops * (size - width + 1) + lefts

    def gather(arrays, rows):
        batch = source.gather(arrays, rows)
        return {**batch, "place": jnp.take(arrays["place"], rows, axis=0)}

    return source._replace(
        arrays={**source.arrays, "image": placed, "place": position.astype(np.int32)},
        gather=gather,
        fingerprint=f"{source.fingerprint}-canvas{size}.{'c' if centred else seed}",
    )


def with_train_eval(source: Source) -> Source:
    """Adds the training examples as the split "train_eval"; see `Source.split`."""

    def split(seed):
        parts = source.split(seed)
        return {**parts, "train_eval": parts["train"]}

    return source._replace(split=split)


def shuffle_pixels(source: Source, *, seed: int = 0) -> Source:
    """Permutes the pixels of all images by one fixed permutation.

    The permutation is a bijection: it destroys the neighbourhood of pixels, but no
    information. The shape (b, h, w, c) does not change.

    Args:
      source: images (h, w, c).
      seed: selects the permutation, which is the same for all seeds of a study.
    """
    n, height, width, channels = source.arrays["image"].shape
    permutation = np.random.default_rng(seed).permutation(height * width)
    flat = source.arrays["image"].reshape(n, height * width, channels)
    images = flat[:, permutation].reshape(n, height, width, channels)
    return source._replace(
        arrays={**source.arrays, "image": images},
        fingerprint=f"{source.fingerprint}-pixels{seed}",
    )


def subset(source: Source, n: int) -> Source:
    """Reduces each seed's training split to n examples, balanced over the classes.

    The examples depend on the seed; the subset of a smaller n is contained in that of a
    larger n. Validation and test splits do not change.

    Raises:
      UserError: n is below 1, or above a seed's number of training examples.
    """
    labels = source.arrays["label"]

    def split(seed):
        parts = source.split(seed)
        rows = np.random.default_rng(seed).permutation(parts["train"])
        if not 1 <= n <= len(rows):
            raise UserError(
                "too-few-examples",
                f"a subset of {n} training examples: a seed has {len(rows)}; give a "
                f"number from 1 to {len(rows)}",
            )
        rank = np.zeros(len(rows), int)  # within the class
        for label in np.unique(labels[rows]):
            in_class = labels[rows] == label
            rank[in_class] = np.arange(in_class.sum())
        return {**parts, "train": rows[np.argsort(rank, kind="stable")[:n]]}

    split(0)
    return source._replace(fingerprint=f"{source.fingerprint}-subset{n}", split=split)


def binarize(source: Source, binarization: str, *, seed: int = 0) -> Source:
    """Binarises the pixels of images (b, h, w, c).

    Args:
      source: images in [0, 1].
      binarization: "none": grey pixels, unchanged. "threshold": 1 from 0.5 on, else 0.
        "static": one Bernoulli sample of each grey value, of training and test images
        alike, the same for all seeds of a study and all epochs. "dynamic": unchanged
        here; `tasks.vae` samples the pixels at each update.
      seed: selects the static samples.

    Raises:
      UserError: the source has no images.
      ValueError: an unknown binarization.
    """
    if binarization not in BINARIZATIONS:
        raise ValueError(f"binarization {binarization}: must be one of {BINARIZATIONS}")
    if binarization in ("none", "dynamic"):
        return source
    images = all_images(source)
    uniform = np.random.default_rng(seed).random(images.shape, np.float32)
    white = images >= WHITE if binarization == "threshold" else images > uniform
    suffix = seed if binarization == "static" else ""

    def gather(arrays: Any, rows: Any) -> dict[str, Any]:
        batch = take_rows(arrays, rows)
        return {**batch, "image": batch["image"].astype(jnp.float32)}

    return source._replace(
        arrays={"image": white.astype(np.uint8), "label": source.arrays["label"]},
        gather=gather,
        fingerprint=f"{source.fingerprint}-{binarization}{suffix}",
    )


def all_images(source: Source) -> np.ndarray:
    """Returns all images of a source in the form of its batches: float32 (n, h, w, c).

    Raises:
      UserError: the source has no images.
    """
    if "label" not in source.arrays:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={source.name}: has no images; give a data set of images, such "
            "as digits",
        )
    with jax.ensure_compile_time_eval():  # tasks may be built inside a trace
        rows = jnp.arange(len(source.arrays["label"]))
        return np.asarray(source.gather(source.arrays, rows)["image"])
