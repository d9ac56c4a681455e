"""Locates data sets on disk, in milliseconds: without heavy imports or a network."""

import importlib
import os
import pathlib
from typing import Any, NamedTuple

from dljax.datasets.registry import REGISTRY, DatasetSpec
from dljax.errors import UserError, closest_match


class DatasetLocation(NamedTuple):
    """Where a data set is, or will be prepared.

    Attributes:
      name: the data set's name.
      data_dir: the root of prepared data sets.
      folder: the prepared TFDS data set; None: not prepared, or read in place.
      manual_dir: the user's directory of original files, or None.
      download: whether to fetch missing files.
      resize: the side in pixels of the square to resize images to; 0: keep their size.
    """

    name: str
    data_dir: pathlib.Path
    folder: pathlib.Path | None
    manual_dir: pathlib.Path | None
    download: bool
    resize: int = 0


def default_dir() -> pathlib.Path:
    """The default directory of TFDS: $TFDS_DATA_DIR or ~/tensorflow_datasets."""
    return pathlib.Path(
        os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    ).expanduser()


def newest_version(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest version's directory of a prepared TFDS data set, or None."""
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
    """Locates a data set on disk, or the files to prepare it from.

    Args:
      name: a key of `REGISTRY`, or a TFDS data set that is prepared in `data_dir`.
      data_dir: the root of prepared data sets; empty: `default_dir()`.
      manual_dir: the directory of original files, if any.
      download, resize: see `DatasetLocation`.

    Raises:
      UserError: the name is unknown; the data set is not prepared and its files are
        incomplete; or it has no images to resize.
    """
    if resize and not REGISTRY.get(name, DatasetSpec()).has_images:
        raise UserError(
            "resize-without-images",
            f"--resize={resize}: {name} has no images; omit --resize",
        )
    root = pathlib.Path(data_dir).expanduser().absolute() if data_dir else default_dir()
    manual = pathlib.Path(manual_dir).expanduser().absolute() if manual_dir else None
    if name in REGISTRY and (contents := REGISTRY[name].manual_contents):
        if manual is None:
            raise UserError(
                "manual-dir-missing",
                f"--dataset={name}: is read from your files; give --manual_dir=DIR "
                f"with {contents}",
            )
        if not (manual.is_dir() or (manual.is_file() and name == "text_file")):
            raise UserError(
                "no-such-directory",
                f"--manual_dir={manual_dir}: is not a directory; give a directory "
                f"with {contents}",
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
                        f"--manual_dir={manual_dir}: has no {missing[0]}; give a "
                        f"directory with all of {', '.join(files)}; or give --download "
                        "instead",
                    )
            elif not download and (folder := newest_version(root / name)) is None:
                raise UserError(
                    "dataset-not-prepared",
                    f"--dataset={name}: is not prepared in {root}; give --download to "
                    f"fetch it, --manual_dir=DIR with its files ({', '.join(files)}), "
                    "or --data_dir=DIR if it is prepared elsewhere",
                )
        return DatasetLocation(name, root, folder, manual, download, resize)
    folder = newest_version(root / name)
    if folder is None:
        near = closest_match(name, REGISTRY, cutoff=0.7)
        hint = f"did you mean {near}? otherwise " if near else ""
        raise UserError(
            "unknown-dataset",
            f"--dataset={name}: unknown data set; {hint}give one of "
            f"{', '.join(REGISTRY)}, or a data set of the TFDS catalogue that is "
            f"prepared as array_record in {root} (--data_dir=DIR)",
        )
    return DatasetLocation(name, root, folder, None, False, resize)


def reader(name: str) -> Any:
    """The module `dljax.datasets.NAME`, with `find(root)` and `read(root, resize)`."""
    return importlib.import_module(f"dljax.datasets.{name}")
