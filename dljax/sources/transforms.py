"""Transforms of a source: (source, ...) -> source, with a fingerprint of its own."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dljax.errors import UserError
from dljax.sources.resident import take_rows
from dljax.types import Source

BINARIZATIONS = ("none", "threshold", "static", "dynamic")
WHITE = 0.5  # and above, where pixels are thresholded


def on_canvas(
    source: Source, size: int, *, centred: bool = False, seed: int = 0
) -> Source:
    """Each image at a random position of an empty square, the same for all seeds.

    Images (b, h, w, c) become (b, size, size, c). With `centred` each image is in the
    middle. Batches then have "place" too, int32 (b,): the position's number, row by
    row.

    Raises:
      UserError: the images are larger than the square, or the source has clips.
    """
    if "image" not in source.arrays:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={source.name}: has clips, and this takes images",
        )
    images = source.arrays["image"]
    n, height, width, channels = images.shape
    if size < max(height, width):
        raise UserError(
            "canvas-too-small",
            f"--canvas={size}: the images are {height}x{width}; at least that",
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
    """The source with its training examples as the split "train_eval" too."""

    def split(seed):
        parts = source.split(seed)
        return {**parts, "train_eval": parts["train"]}

    return source._replace(split=split)


def shuffle_pixels(source: Source, *, seed: int = 0) -> Source:
    """The images with their pixels permuted, by one fixed permutation for all images.

    A bijection: no information is lost, only the neighbourhood of pixels. The shape
    (b, h, w, c) stays.
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
    """Each seed trains on n of its training examples, equally many of each class.

    The examples are a function of the seed; those of a smaller n are among those of a
    larger n. Validation and test examples stay.

    Raises:
      UserError: a seed has fewer than n training examples.
    """
    labels = source.arrays["label"]

    def split(seed):
        parts = source.split(seed)
        rows = np.random.default_rng(seed).permutation(parts["train"])
        if not 1 <= n <= len(rows):
            raise UserError(
                "too-few-examples",
                f"{n} training examples are asked for, and a seed has {len(rows)}",
            )
        rank = np.zeros(len(rows), int)  # within the class
        for label in np.unique(labels[rows]):
            in_class = labels[rows] == label
            rank[in_class] = np.arange(in_class.sum())
        return {**parts, "train": rows[np.argsort(rank, kind="stable")[:n]]}

    split(0)
    return source._replace(fingerprint=f"{source.fingerprint}-subset{n}", split=split)


def binarize(source: Source, binarization: str, *, seed: int = 0) -> Source:
    """The same images (b, h, w, c) with binary pixels.

    none: unchanged. threshold: 1 from 0.5 on, else 0. static: one Bernoulli sample of
    each pixel's grey value by NumPy's generator of `seed`, the same for all seeds and
    epochs, of training and test images. dynamic: unchanged; `tasks.vae` samples pixels
    at each update.

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
    """All images of a source as its batches have them: float32 (n, h, w, c).

    Raises:
      UserError: the source has no images.
    """
    if "label" not in source.arrays:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={source.name}: has no images, and this takes them",
        )
    with jax.ensure_compile_time_eval():  # a task may be built while it is traced
        rows = jnp.arange(len(source.arrays["label"]))
        return np.asarray(source.gather(source.arrays, rows)["image"])
