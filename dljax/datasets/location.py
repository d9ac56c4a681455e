"""Where a data set is: found in milliseconds, with no heavy import, no network."""

import importlib
import os
import pathlib
from typing import Any, NamedTuple

from dljax.datasets.registry import REGISTRY, DatasetSpec
from dljax.errors import UserError, closest_match


class DatasetLocation(NamedTuple):
    """Where a data set is, or will be: `folder` holds a prepared TFDS data set.

    resize: images become squares of so many pixels; 0: they stay as they are.
    """

    name: str
    data_dir: pathlib.Path
    folder: pathlib.Path | None  # None: not prepared yet
    manual_dir: pathlib.Path | None
    download: bool
    resize: int = 0


def default_dir() -> pathlib.Path:
    """Where TFDS keeps data sets: $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    return pathlib.Path(
        os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    ).expanduser()


def newest_version(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest version of the TFDS data set in a folder; None where there is none."""
    versions = sorted(
        folder.glob("*.*.*/dataset_info.json"),
        key=lambda p: _version_numbers(p.parent.name),
    )
    return versions[-1].parent if versions else None


def _version_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def find(
    name: str,
    *,
    data_dir: str = "",
    manual_dir: str = "",
    download: bool = False,
    resize: int = 0,
) -> DatasetLocation:
    """Finds a data set on disk, or what it can be prepared from.

    Raises:
      UserError: there is no such data set; it is not prepared and there is nothing to
        prepare it from; or it has no images to resize.
    """
    if resize and not REGISTRY.get(name, DatasetSpec()).has_images:
        raise UserError(
            "resize-without-images", f"--resize={resize}: {name} has no images"
        )
    root = pathlib.Path(data_dir).expanduser().absolute() if data_dir else default_dir()
    manual = pathlib.Path(manual_dir).expanduser().absolute() if manual_dir else None
    if name in REGISTRY and (contents := REGISTRY[name].manual_contents):
        if manual is None:
            raise UserError(
                "manual-dir-missing",
                f"--dataset={name}: give --manual_dir=DIR with {contents}",
            )
        if not (manual.is_dir() or (manual.is_file() and name == "text_file")):
            raise UserError(
                "no-such-directory", f"--manual_dir={manual_dir}: is not a directory"
            )
        reader(name).find(manual)
        return DatasetLocation(name, root, None, manual, False, resize)
    if name in REGISTRY:
        folder = newest_version(root / "dljax" / name)
        if folder is None and (files := REGISTRY[name].files):
            if manual is not None:
                missing = [f for f in files if not (manual / f).is_file()]
                if missing:
                    raise UserError(
                        "manual-dir-incomplete",
                        f"--manual_dir={manual_dir}: no {missing[0]} there; "
                        f"{name} needs {', '.join(files)}",
                    )
            elif not download and (folder := newest_version(root / name)) is None:
                raise UserError(
                    "dataset-not-prepared",
                    f"--dataset={name}: not prepared in {root}; give --manual_dir=DIR "
                    "with its original files, or --download to fetch them, or "
                    "--data_dir=DIR where it is prepared",
                )
        return DatasetLocation(name, root, folder, manual, download, resize)
    folder = newest_version(root / name)
    if folder is None:
        near = closest_match(name, REGISTRY, cutoff=0.7)
        hint = f"did you mean {near}? " if near else ""
        raise UserError(
            "unknown-dataset",
            f"--dataset={name}: {hint}known are {', '.join(REGISTRY)}, and any image "
            f"set of the TFDS catalogue that is prepared as array_record in {root}",
        )
    return DatasetLocation(name, root, folder, None, False, resize)


def reader(name: str) -> Any:
    """The module that finds and reads a data set in place: has `find` and `read`."""
    return importlib.import_module(f"dljax.datasets.{name}")
