"""Labelled files in one folder per class: DIR/CLASS/*, or DIR/train/CLASS/* and
DIR/test/CLASS/*.

The files are read in place every time. A prepared copy could be mistaken for another
folder's.
"""

import pathlib
from typing import NamedTuple

import numpy as np

from dljax.errors import UserError

MIN_FILES = 5  # training files per class: one per fold

Classes = dict[str, list[pathlib.Path]]


class FileKind(NamedTuple):
    """A kind of files.

    Attributes:
      name: the plural noun in messages, such as "images".
      suffixes: the suffixes of file names in lower case, such as (".png", ".jpg").
    """

    name: str
    suffixes: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """The pattern in messages, such as "*.png (jpg, jpeg)"."""
        first, *others = (suffix[1:] for suffix in self.suffixes)
        return f"*.{first} ({', '.join(others)})" if others else f"*.{first}"


class LabelledFiles(NamedTuple):
    """The files of all splits.

    Attributes:
      files: n paths.
      labels: int32 (n,).
      parts: {"train" (and "test"): rows of `files`}.
      names: the names of the classes.
    """

    files: list[pathlib.Path]
    labels: np.ndarray
    parts: dict[str, np.ndarray]
    names: tuple[str, ...]


def find(root: pathlib.Path, kind: FileKind) -> dict[str, Classes]:
    """Lists the files, sorted by name: {"train": {class: files}}, and "test" if given.

    Raises:
      UserError: there are no class folders; a class has no files, or fewer than
        `MIN_FILES` for training; train and test differ in their classes; or other
        folders are beside them.
    """
    folders = _subfolders(root)
    if not {"train", "test"} <= folders.keys():
        parts = {"train": _classes(root, kind)}
    elif others := sorted(folders.keys() - {"train", "test"}):
        raise UserError(
            "unknown-split-folder",
            f"--manual_dir={root}: has {', '.join(others)} beside train and test; "
            "remove the other folders (a part of train is used for validation)",
        )
    else:
        parts = {name: _classes(folders[name], kind) for name in ("train", "test")}
        if differ := parts["train"].keys() ^ parts["test"].keys():
            raise UserError(
                "classes-differ",
                f"--manual_dir={root}: train and test differ in the class folders "
                f"{', '.join(sorted(differ))}; give both the same ones",
            )
    for files in parts["train"].values():
        if len(files) < MIN_FILES:
            raise UserError(
                "too-few-examples",
                f"--manual_dir={root}: class {files[0].parent.name} has {len(files)} "
                f"of at least {MIN_FILES} training {kind.name}; add more",
            )
    return parts


def label_files(parts: dict[str, Classes]) -> LabelledFiles:
    """Joins the files of `find` into one list: train first, class by class."""
    names = tuple(parts["train"])
    files, labels = [], []
    for part in parts.values():
        for label, name in enumerate(names):
            files += part[name]
            labels += [label] * len(part[name])
    rows = np.split(np.arange(len(files)), [sum(map(len, parts["train"].values()))])
    rows_of = dict(zip(parts, rows, strict=False))  # no rows are left without test
    return LabelledFiles(files, np.array(labels, np.int32), rows_of, names)


def _subfolders(root: pathlib.Path) -> dict[str, pathlib.Path]:
    return {
        path.name: path
        for path in sorted(root.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }


def _classes(root: pathlib.Path, kind: FileKind) -> Classes:
    classes = {
        name: sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in kind.suffixes and not path.name.startswith(".")
        )
        for name, folder in _subfolders(root).items()
    }
    if not classes:
        raise UserError(
            "no-class-folders",
            f"--manual_dir={root}: has no class folders; give a directory with "
            f"CLASS/{kind.pattern}, or with train/CLASS/{kind.pattern} and test/CLASS",
        )
    if empty := [name for name, files in classes.items() if not files]:
        suffixes = " or ".join(suffix[1:] for suffix in kind.suffixes)
        raise UserError(
            "empty-class-folder",
            f"--manual_dir={root}: folder {empty[0]} has no {suffixes} files; add some "
            "or remove the folder",
        )
    return classes
