"""Reads a data set into arrays, preparing it first where that is needed.

Preparing writes below `<data_dir>/dljax/`. `image_folder`, `audio_folder`,
`colloid_video`, `piano_roll`, `vader`, `labelled_text`, `parallel_text` and `text_file`
are read in place each time, so that two folders are never mixed up.
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
    """Inside, `load` returns data sets from `datasets` and adds those that it reads."""
    token = _datasets.set(datasets)
    try:
        yield
    finally:
        _datasets.reset(token)


def load(location: DatasetLocation) -> ArrayDataset:
    """Reads a data set into memory, preparing it first where it has to be.

    Raises:
      UserError: it cannot be downloaded, a file is damaged, or a directory not
        writable; or a data set without images is to be resized.
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
            f"--resize={location.resize}: {location.name} has no images",
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
            f"--dataset={location.name}: is neither images of one size with labels, "
            f"nor text ({error} is missing or of another kind)",
        ) from None
    except Exception as error:  # whatever a reader says of a bad file
        raise UserError(
            "damaged-dataset",
            f"{folder}: cannot be read as a data set ({first_line(error)}); delete it "
            "and prepare it again",
            DAMAGED_DATA,
        ) from None
    names = tuple(features["label"].names or ()) if "label" in features else ()
    spec = REGISTRY.get(location.name, DatasetSpec())
    return ArrayDataset(
        location.name, folder.name, arrays, parts, names, spec.max_value, spec.folds
    )


def _arrays(rows: list[Any], features: Any) -> dict[str, np.ndarray]:
    """The arrays of a data set; KeyError where its features are of no known kind."""
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
