"""Data sets by name: where they are, how they are prepared, how they are split.

`find` answers in milliseconds whether a data set can be had (no heavy import, no
network); `load` reads it into arrays. Preparing writes below `<data_dir>/dljax/`;
`image_folder`, `audio_folder`, `colloid_video`, `piano_roll`, `vader`, `labelled_text`,
`parallel_text` and `text_file` are read where they are, each time, so that two folders
are never mixed up. `adding` and `copying` are made.

Splits are fixed:
  digits         five stratified folds of 1,797; seed s tests on fold s mod 5, validates
                 on the next and trains on 1,077 of the other three
  lexicon, vader, image_folder and audio_folder
                 the same where they have no parts of their own
  labelled_text  of one file: by a hash of the text, eight tenths, one and one
  rt_polarity    ten stratified folds, as is the custom
  what has train and test
                 the last 10 % of a fixed permutation of train is for validation (at
                 most 5,000)
  what has train, valid and test
                 these three
  colloid_video  by time: see `video.frame_stride`
"""

import functools
import hashlib
import importlib
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dljax.data.known import OWN, Own
from dljax.errors import DAMAGED_DATA, Refusal, nearest


class Place(NamedTuple):
    """Where a data set is, or will be: `folder` holds a prepared TFDS data set.

    resize: images become squares of so many pixels; 0: they stay as they are.
    """

    name: str
    data_dir: pathlib.Path
    folder: pathlib.Path | None  # None: not prepared yet
    manual_dir: pathlib.Path | None
    download: bool
    resize: int = 0


class Table(NamedTuple):
    """A data set in memory.

    arrays: {"image": uint8 (n, height, width, channels), "label": int32 (n,)}; the
    frames of a video have no label. Text is UTF-8 of a fixed number of bytes, {"text",
    "label"}, or, with its translation, {"source", "target"}; running text {"text"}.
    Sound is {"image": mel spectrograms, see `spectrogram`, "label", "voice"}.
    parts: {"train": rows, "valid": rows, "test": rows} as the data set gives them;
    without "test" it is split into `folds`. largest: the pixel value that becomes 1.
    """

    name: str
    version: str
    arrays: dict[str, np.ndarray]
    parts: Mapping[str, np.ndarray]
    classes: tuple[str, ...]
    largest: int = 255
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


def default_dir() -> pathlib.Path:
    """Where TFDS keeps data sets: $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    return pathlib.Path(
        os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    ).expanduser()


def prepared(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest version of the TFDS data set in a folder; None where there is none."""
    versions = sorted(
        folder.glob("*.*.*/dataset_info.json"), key=lambda p: _numbers(p.parent.name)
    )
    return versions[-1].parent if versions else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def find(
    name: str,
    *,
    data_dir: str = "",
    manual_dir: str = "",
    download: bool = False,
    resize: int = 0,
) -> Place:
    """Finds a data set on disk, or what it can be prepared from.

    Raises:
      Refusal: there is no such data set, or it is not prepared and nothing was given to
        prepare it from, or it has no images to resize.
    """
    if resize and not OWN.get(name, Own()).images:
        raise Refusal(f"--resize={resize}: {name} has no images")
    root = pathlib.Path(data_dir).expanduser().absolute() if data_dir else default_dir()
    manual = pathlib.Path(manual_dir).expanduser().absolute() if manual_dir else None
    if name in OWN and (needs := OWN[name].needs):
        if manual is None:
            raise Refusal(f"--dataset={name}: give --manual_dir=DIR with {needs}")
        if not (manual.is_dir() or (manual.is_file() and name == "text_file")):
            raise Refusal(f"--manual_dir={manual_dir}: is not a directory")
        _module(name).find(manual)
        return Place(name, root, None, manual, False, resize)
    if name in OWN:
        folder = prepared(root / "dljax" / name)
        if folder is None and (files := OWN[name].files):
            if manual is not None:
                missing = [f for f in files if not (manual / f).is_file()]
                if missing:
                    raise Refusal(
                        f"--manual_dir={manual_dir}: no {missing[0]} there; "
                        f"{name} needs {', '.join(files)}"
                    )
            elif not download and (folder := prepared(root / name)) is None:
                raise Refusal(
                    f"--dataset={name}: not prepared in {root}; give --manual_dir=DIR "
                    "with its original files, or --download to fetch them, or "
                    "--data_dir=DIR where it is prepared"
                )
        return Place(name, root, folder, manual, download, resize)
    folder = prepared(root / name)
    if folder is None:
        near = nearest(name, OWN, cutoff=0.7)
        hint = f"did you mean {near}? " if near else ""
        raise Refusal(
            f"--dataset={name}: {hint}known are {', '.join(OWN)}, and any image set of "
            f"the TFDS catalogue that is prepared as array_record in {root}"
        )
    return Place(name, root, folder, None, False, resize)


def _module(name: str) -> Any:
    """Of a data set that is read where it is: `find` and `read`."""
    return importlib.import_module(f"dljax.data.{name}")


def load(place: Place) -> Table:
    """Reads a data set into memory, preparing it first where it has to be.

    Raises:
      Refusal: it cannot be downloaded, a file is damaged, or a directory not writable;
        or what has no images is to be resized.
    """
    from dljax.data.image_folder import resized

    where_it_is = bool(OWN.get(place.name, Own()).needs)
    if where_it_is:
        table = _module(place.name).read(place.manual_dir, place.resize)
    else:
        table = _read(place)
    if place.resize and "image" not in table.arrays:
        raise Refusal(f"--resize={place.resize}: {place.name} has no images")
    if place.resize and not where_it_is:
        images = resized(table.arrays["image"], place.resize)
        table = table._replace(arrays={**table.arrays, "image": images})
    return table


def _read(place: Place) -> Table:
    import tensorflow_datasets as tfds

    from dljax.data import builders

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
        raise Refusal(
            f"--dataset={place.name}: is neither images of one size with labels, nor "
            f"text ({error} is missing or of another kind)"
        ) from None
    except Exception as error:  # whatever a reader says of a bad file
        raise Refusal(
            f"{folder}: cannot be read as a data set ({first_line(error)}); delete it "
            "and prepare it again",
            DAMAGED_DATA,
        ) from None
    names = tuple(features["label"].names or ()) if "label" in features else ()
    own = OWN.get(place.name, Own())
    return Table(place.name, folder.name, arrays, parts, names, own.largest, own.folds)


def _arrays(rows: list[Any], features: Any) -> dict[str, np.ndarray]:
    """The arrays of a table; KeyError where the data set is of no kind that it has."""
    if "roll" in features:
        return _module("piano_roll").padded([row["roll"] for row in rows])
    if "sound" in features:
        made = _module("spectrogram").pictures([row["sound"] for row in rows])
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


def first_line(error: BaseException) -> str:
    """What a library says of an error, without the rest of its page."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def splits(table: Table, seed: int) -> dict[str, np.ndarray]:
    """Which rows seed `seed` trains, validates and tests on (see the module)."""
    if "test" not in table.parts:
        return _folds(table, seed)
    if "valid" in table.parts:
        return dict(table.parts)
    train = np.random.default_rng(0).permutation(table.parts["train"])
    held = min(5000, max(1, len(train) // 10))
    return {
        "train": train[:-held],
        "valid": np.sort(train[-held:]),
        "test": table.parts["test"],
    }


@functools.lru_cache(maxsize=4)
def _fold_rows(labels: bytes, count: int) -> tuple[np.ndarray, ...]:
    from sklearn.model_selection import StratifiedKFold

    y = np.frombuffer(labels, np.int32)
    folds = StratifiedKFold(count, shuffle=True, random_state=0)
    return tuple(rows for _, rows in folds.split(y, y))


def _folds(table: Table, seed: int) -> dict[str, np.ndarray]:
    folds = _fold_rows(table.arrays["label"].tobytes(), table.folds)
    test, valid = seed % len(folds), (seed + 1) % len(folds)
    train = np.concatenate([f for i, f in enumerate(folds) if i not in (test, valid)])
    smallest = sum(sorted(map(len, folds))[:-2])  # the same for every seed
    return {"train": train[:smallest], "valid": folds[valid], "test": folds[test]}
