"""Loads a data set into arrays; prepares it first if needed.

Preparation writes below `<data_dir>/dljax/`. Data sets with `manual_contents` in the
registry, such as `image_folder`, are not prepared but read in place every time: a
prepared copy could be mistaken for another folder's.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.location import DatasetLocation, reader
from dljax.datasets.registry import REGISTRY, DatasetSpec
from dljax.errors import DAMAGED_DATA, UserError, first_line

Datasets = dict[DatasetLocation, ArrayDataset]
_datasets: contextvars.ContextVar[Datasets | None] = contextvars.ContextVar(
    "datasets", default=None
)


@contextlib.contextmanager
def sharing(datasets: Datasets) -> Iterator[None]:
    """A context in which `load` caches data sets in `datasets`."""
    token = _datasets.set(datasets)
    try:
        yield
    finally:
        _datasets.reset(token)


def load(location: DatasetLocation) -> ArrayDataset:
    """Loads a data set into memory; prepares it first if needed.

    Inside `sharing`, every data set is read once.

    Raises:
      UserError: the data set cannot be downloaded, is damaged, or has features of an
        unsupported kind; a directory is not writable; or a data set without images is
        to be resized.
    """
    datasets = _datasets.get()
    if datasets is None:
        return _load(location)
    if location not in datasets:
        datasets[location] = _load(location)
    return datasets[location]


def _load(location: DatasetLocation) -> ArrayDataset:
    from dljax.datasets.image_folder import resize_images

    in_place = bool(REGISTRY.get(location.name, DatasetSpec()).manual_contents)
    if in_place:
        dataset = reader(location.name).read(location.manual_dir, location.resize)
    else:
        dataset = _read_tfds(location)
    if location.resize and "image" not in dataset.arrays:
        raise UserError(
            "resize-without-images",
            f"--resize={location.resize}: {location.name} has no images; omit --resize",
        )
    if location.resize and not in_place:
        images = resize_images(dataset.arrays["image"], location.resize)
        dataset = dataset._replace(arrays={**dataset.arrays, "image": images})
    return dataset


def _read_tfds(location: DatasetLocation) -> ArrayDataset:
    import tensorflow_datasets as tfds

    from dljax.datasets import builders

    folder = location.folder or builders.prepare(location)

    try:
        builder = tfds.builder_from_directory(folder)
        rows, parts, start = [], {}, 0
        for part in sorted(builder.info.splits, reverse=True):  # train before test
            source = builder.as_data_source(part)
            rows += source.__getitems__(range(len(source)))
            name = "valid" if part == "validation" else part
            parts[name] = np.arange(start, len(rows))
            start = len(rows)
        features = builder.info.features
        arrays = _arrays(rows, features)
    except KeyError as error:
        raise UserError(
            "unsupported-dataset",
            f"--dataset={location.name}: has neither labelled images of one size nor "
            f"text (feature {error} is missing or of another kind); give another one",
        ) from None
    except Exception as error:  # readers raise many types
        raise UserError(
            "damaged-dataset",
            f"{folder}: cannot be read as a data set ({first_line(error)}); delete the "
            "directory and prepare the data set again",
            DAMAGED_DATA,
        ) from None
    names = tuple(features["label"].names or ()) if "label" in features else ()
    spec = REGISTRY.get(location.name, DatasetSpec())
    return ArrayDataset(
        location.name, folder.name, arrays, parts, names, spec.max_value, spec.folds
    )


def _arrays(rows: list[Any], features: Any) -> dict[str, np.ndarray]:
    """The arrays of a prepared data set; KeyError if its features are unsupported."""
    if "roll" in features:
        return reader("piano_roll").pad_rolls([row["roll"] for row in rows])
    if "sound" in features:
        sounds = [row["sound"] for row in rows]
        labels = {
            name: np.array([row[name] for row in rows], np.int32)
            for name in ("label", "voice")
        }
        return {"image": reader("spectrogram").mel_spectrograms(sounds), **labels}
    kinds = {"source", "target"}, {"text", "label"}, {"image", "label"}, {"text"}
    kind = next((kind for kind in kinds if kind <= set(features)), {"image", "label"})
    arrays = {}
    for name in sorted(kind):
        values = [row[name] for row in rows]
        if name == "label":
            if not hasattr(features["label"], "names"):
                raise KeyError("label")
            arrays[name] = np.array(values, np.int32)
        else:
            arrays[name] = np.stack(values) if name == "image" else np.array(values)
    if arrays.get("image", np.zeros((1,) * 4)).ndim != 4:
        raise KeyError("image")
    return arrays
