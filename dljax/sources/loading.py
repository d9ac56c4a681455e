"""The source of the data set that a config names."""

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


def load_source(config: Any) -> Source:
    """The source of the data set that a config names.

    Raises:
      UserError: see `location.find` and `loading.load`; the data set is synthetic, or
        text.
    """
    dataset = load_dataset(config)
    if {"text", "source"} & dataset.arrays.keys():
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={dataset.name}: is text, and this takes none",
        )
    if "label" in dataset.arrays:
        return resident(dataset)
    if "roll" in dataset.arrays:
        return next_frames(dataset)
    return frame_stride(dataset, size=config.resize or 64)


def load_dataset(config: Any) -> ArrayDataset:
    """The data set that a config names.

    Raises:
      UserError: see `location.find` and `loading.load`; the data set is synthetic.
    """
    return loading.load(_location(config))


def _location(config: Any) -> DatasetLocation:
    if config.dataset in SYNTHETIC:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={config.dataset}: only experiments that make it have it",
        )
    return location.find(
        config.dataset,
        data_dir=config.data_dir,
        manual_dir=config.manual_dir,
        download=config.download,
        resize=config.resize,
    )
