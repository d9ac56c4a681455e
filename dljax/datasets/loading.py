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

Tables = dict[DatasetLocation, ArrayDataset]
_tables: contextvars.ContextVar[Tables | None] = contextvars.ContextVar(
    "tables", default=None
)


@contextlib.contextmanager
def sharing(tables: Tables) -> Iterator[None]:
    """Inside, `load` returns the data sets in `tables` and adds those that it reads."""
    token = _tables.set(tables)
    try:
        yield
    finally:
        _tables.reset(token)


def load(location: DatasetLocation) -> ArrayDataset:
    """Reads a data set into memory, preparing it first where it has to be.

    Raises:
      UserError: it cannot be downloaded, a file is damaged, or a directory not
        writable; or a data set without images is to be resized.
    """
    tables = _tables.get()
    if tables is None:
        return _load(location)
    if location not in tables:
        tables[location] = _load(location)
    return tables[location]


def _load(place: DatasetLocation) -> ArrayDataset:
    from dljax.datasets.image_folder import resized

    where_it_is = bool(REGISTRY.get(place.name, DatasetSpec()).needs)
    if where_it_is:
        table = reader(place.name).read(place.manual_dir, place.resize)
    else:
        table = _read(place)
    if place.resize and "image" not in table.arrays:
        raise UserError(f"--resize={place.resize}: {place.name} has no images")
    if place.resize and not where_it_is:
        images = resized(table.arrays["image"], place.resize)
        table = table._replace(arrays={**table.arrays, "image": images})
    return table


def _read(place: DatasetLocation) -> ArrayDataset:
    import tensorflow_datasets as tfds

    from dljax.datasets import builders

    folder = place.folder or builders.prepare(place)

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
            f"--dataset={place.name}: is neither images of one size with labels, nor "
            f"text ({error} is missing or of another kind)"
        ) from None
    except Exception as error:  # whatever a reader says of a bad file
        raise UserError(
            f"{folder}: cannot be read as a data set ({first_line(error)}); delete it "
            "and prepare it again",
            DAMAGED_DATA,
        ) from None
    names = tuple(features["label"].names or ()) if "label" in features else ()
    own = REGISTRY.get(place.name, DatasetSpec())
    return ArrayDataset(
        place.name, folder.name, arrays, parts, names, own.largest, own.folds
    )


def _arrays(rows: list[Any], features: Any) -> dict[str, np.ndarray]:
    """The arrays of a table; KeyError where the data set is of no kind that it has."""
    if "roll" in features:
        return reader("piano_roll").padded([row["roll"] for row in rows])
    if "sound" in features:
        made = reader("spectrogram").pictures([row["sound"] for row in rows])
        others = {
            name: np.array([row[name] for row in rows], np.int32)
            for name in ("label", "voice")
        }
        return {"image": made, **others}
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
