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
    """Loads the data set that a config names, as a source.

    Labelled images and sounds become `resident`, music becomes `next_frames`, and video
    becomes `frame_stride`.

    Args:
      config: a `RunConfig`.

    Raises:
      UserError: see `load_dataset`; the data set is text.
    """
    dataset = load_dataset(config)
    if {"text", "source"} & dataset.arrays.keys():
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={dataset.name}: is text; give a data set of images, such as "
            "digits",
        )
    if "label" in dataset.arrays:
        return resident(dataset)
    if "roll" in dataset.arrays:
        return next_frames(dataset)
    return frame_stride(dataset, size=config.resize or 64)


def load_dataset(config: Any) -> ArrayDataset:
    """Loads the data set that a config names.

    Args:
      config: a `RunConfig`: its `dataset`, `data_dir`, `manual_dir`, `download` and
        `resize`.

    Raises:
      UserError: the data set is synthetic (see `sources.synthetic`); see also
        `datasets.location.find` and `datasets.loading.load`.
    """
    return loading.load(_location(config))


def _location(config: Any) -> DatasetLocation:
    if config.dataset in SYNTHETIC:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={config.dataset}: is generated in its own experiments only; "
            "give another data set",
        )
    return location.find(
        config.dataset,
        data_dir=config.data_dir,
        manual_dir=config.manual_dir,
        download=config.download,
        resize=config.resize,
    )
