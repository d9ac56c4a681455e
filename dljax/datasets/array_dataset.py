"""A data set in memory."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class ArrayDataset(NamedTuple):
    """A data set in memory.

    arrays: {"image": uint8 (n, height, width, channels), "label": int32 (n,)}; the
    frames of a video have no label. Text is UTF-8 of a fixed number of bytes, {"text",
    "label"}, or, with its translation, {"source", "target"}; running text {"text"}.
    Sound is {"image": mel spectrograms, see `spectrogram`, "label", "voice"}.
    parts: {"train": rows, "valid": rows, "test": rows}, the data set's own splits;
    without "test" it is split into `folds`. max_value: the pixel value that becomes 1.
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
        """A hash of every value, and of which rows are which part."""
        digest = hashlib.blake2b(digest_size=8)
        for group in (self.arrays, self.parts):
            for name in sorted(group):
                array = np.ascontiguousarray(group[name])
                digest.update(f"{name}{array.dtype}{array.shape}".encode())
                digest.update(array.data)
        return digest.hexdigest()
