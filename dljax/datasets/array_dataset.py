"""The in-memory form of a data set."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class ArrayDataset(NamedTuple):
    """A data set in memory: arrays with one row per example.

    The kinds of data and their arrays:

    - images: `image`, uint8 (n, height, width, channels), and `label`, int32 (n,).
    - video: `image`, the frames in order; no labels.
    - sound: `image`, mel spectrograms (see `spectrogram`), `label`, and `voice`, int32
      (n,), the speaker or instrument.
    - labelled text: `text`, UTF-8 bytes (n,), and `label`.
    - translations: `source` and `target`, UTF-8 bytes (n,).
    - running text: `text`, UTF-8 bytes (n,), one row per split.
    - music: `roll`, uint8 (n, steps, 88), and `length`, int32 (n,), in steps.

    Attributes:
      name: the data set's name.
      version: the data set's version.
      arrays: {name: array (n, ...)}; the names depend on the kind of data.
      parts: {"train" | "valid" | "test": int array of rows}, the published splits.
        Without "test", `splits.split_by_seed` forms folds; without "valid", it takes
        the validation rows from "train".
      classes: the names of the labels; empty without labels.
      max_value: the pixel value that is scaled to 1.
      folds: the number of folds if `parts` has no "test".
    """

    name: str
    version: str
    arrays: dict[str, np.ndarray]
    parts: Mapping[str, np.ndarray]
    classes: tuple[str, ...]
    max_value: int = 255
    folds: int = 5

    @property
    def fingerprint(self) -> str:
        """A hash of all arrays and of the splits: 16 hexadecimal digits."""
        digest = hashlib.blake2b(digest_size=8)
        for group in (self.arrays, self.parts):
            for name in sorted(group):
                array = np.ascontiguousarray(group[name])
                digest.update(f"{name}{array.dtype}{array.shape}".encode())
                digest.update(array.data)
        return digest.hexdigest()
