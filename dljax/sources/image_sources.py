"""Sources of images that networks make such of: black and white ones, and what the
report shows of them.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dljax.datasets import spectrogram
from dljax.errors import UserError
from dljax.metrics import generative_metrics
from dljax.sources.resident import take
from dljax.types import Source

BINARIZATIONS = ("none", "threshold", "static", "dynamic")
GAP = 0.4  # the grey between pictures of a plane
WHITE = 0.5  # and above, where pixels are thresholded
_kept: dict[str, np.ndarray] = {}  # by fingerprint: once a process


def binarize(source: Source, binarization: str, *, seed: int = 0) -> Source:
    """The same images (b, h, w, c) with binary pixels.

    none: unchanged. threshold: 1 from 0.5 on, else 0. static: one Bernoulli sample of
    each pixel's grey value by NumPy's generator of `seed`, the same for all seeds and
    epochs, of training and test images. dynamic: unchanged; `tasks.vae` samples pixels
    at each update.

    Raises:
      UserError: there are no images. ValueError: another `binarization`.
    """
    if binarization not in BINARIZATIONS:
        raise ValueError(f"binarization {binarization}: must be one of {BINARIZATIONS}")
    if binarization in ("none", "dynamic"):
        return source
    suffix = seed if binarization == "static" else ""
    fingerprint = f"{source.fingerprint}-{binarization}{suffix}"
    if fingerprint not in _kept:
        images = every(source)
        uniform = np.random.default_rng(seed).random(images.shape, np.float32)
        white = images >= WHITE if binarization == "threshold" else images > uniform
        _kept[fingerprint] = white.astype(np.uint8)

    def gather(arrays: Any, rows: Any) -> dict[str, Any]:
        batch = take(arrays, rows)
        return {**batch, "image": batch["image"].astype(jnp.float32)}

    return source._replace(
        arrays={"image": _kept[fingerprint], "label": source.arrays["label"]},
        gather=gather,
        fingerprint=fingerprint,
    )


def showing(source: Source, *names: str) -> Source:
    """The same; under real images the report shows those that samples have by these
    names, and under "generated" ones the nearest by their pixels, among training
    images, or among all where seeds have folds. Spectrograms are heard, too.
    """

    @functools.cache
    def real():
        images = every(source)
        return images if source.test_train_ratio else images[source.split(0)["train"]]

    def say(sample):
        shown = {"real": sample["image"]}
        for name in names:
            shown[name] = np.clip(sample[name], 0, 1)
            if name == "code_plane":  # its pictures stay where they are, as one
                side = math.isqrt(len(shown[name]))
                edges = [(0, 0), (0, 1), (0, 1), (0, 0)]
                tiles = np.pad(shown[name], edges, constant_values=GAP)
                tiles = tiles.reshape(side, side, *tiles.shape[1:])
                shown[name] = np.concatenate(np.concatenate(tiles, 1), 1)[None]
            if name == "generated":
                nearest = generative_metrics.nearest(shown[name], real())
                shown["nearest real"] = real()[nearest]
        if "voice" in source.arrays:
            heard = {f"{k} sound": spectrogram.heard(its) for k, its in shown.items()}
            shown |= heard
        return shown

    return source._replace(say=say)


def every(source: Source) -> np.ndarray:
    """All images of a source, as its networks see them: float32 (n, h, w, c)."""
    if "label" not in source.arrays:
        raise UserError(f"--dataset={source.name}: has no images, and this takes them")
    with jax.ensure_compile_time_eval():  # experiments ask while they are compiled
        rows = jnp.arange(len(source.arrays["label"]))
        return np.asarray(source.gather(source.arrays, rows)["image"])
