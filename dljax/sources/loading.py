"""The source of the data set that a config names."""

import functools
from typing import Any

from dljax.datasets import loading, location
from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.location import DatasetLocation
from dljax.datasets.registry import SYNTHETIC
from dljax.errors import UserError
from dljax.sources.piano_rolls import next_frames
from dljax.sources.resident import resident
from dljax.sources.video import frame_stride
from dljax.types import Source


def load(config: Any) -> Source:
    """The source of the data set that a config names; each is read once a process.

    Raises:
      UserError: see `location.find` and `loading.load`; it is one that experiments
      make.
    """
    return _load(_place(config))


def read(config: Any) -> ArrayDataset:
    """The table of the data set that a config names; each is read once a process.

    Raises:
      UserError: as `load`.
    """
    return _read(_place(config))


def _place(config: Any) -> DatasetLocation:
    if config.dataset in SYNTHETIC:
        raise UserError(
            f"--dataset={config.dataset}: only experiments that make it have it"
        )
    return location.find(
        config.dataset,
        data_dir=config.data_dir,
        manual_dir=config.manual_dir,
        download=config.download,
        resize=config.resize,
    )


_read = functools.lru_cache(maxsize=2)(loading.load)


@functools.lru_cache(maxsize=2)
def _load(place: DatasetLocation) -> Source:
    table = loading.load(place)
    if {"text", "source"} & table.arrays.keys():
        raise UserError(f"--dataset={table.name}: is text, and this takes none")
    if "label" in table.arrays:
        return resident(table)
    if "roll" in table.arrays:
        return next_frames(table)

    return frame_stride(table, size=place.resize or 64)
