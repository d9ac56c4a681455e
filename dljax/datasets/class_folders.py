"""Folders of files, one for each class: DIR/CLASS/*, or DIR/train/CLASS and
DIR/test/CLASS.

The files are read in place, each time: no prepared copy can be taken for another
folder.
"""

import pathlib
from typing import NamedTuple

import numpy as np

from dljax.errors import UserError

MIN_FILES = 5  # training files of a class: one a fold

Classes = dict[str, list[pathlib.Path]]


class FileKind(NamedTuple):
    """name: what the files are, "images". suffixes: of their names, (".png", ...)."""

    name: str
    suffixes: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """For messages: *.png (jpg, jpeg)."""
        first, *others = (suffix[1:] for suffix in self.suffixes)
        return f"*.{first} ({', '.join(others)})" if others else f"*.{first}"


class LabelledFiles(NamedTuple):
    """files: of all parts. labels: int32 (n,). parts: {part: rows}. names: classes."""

    files: list[pathlib.Path]
    labels: np.ndarray
    parts: dict[str, np.ndarray]
    names: tuple[str, ...]


def find(root: pathlib.Path, kind: FileKind) -> dict[str, Classes]:
    """The files, {"train" (and "test"): {class: files}}, in order of their names.

    Raises:
      UserError: there are none, or too few of a class, or other classes to test on.
    """
    folders = _subfolders(root)
    if not {"train", "test"} <= folders.keys():
        parts = {"train": _classes(root, kind)}
    elif others := sorted(folders.keys() - {"train", "test"}):
        raise UserError(
            "unknown-split-folder",
            f"--manual_dir={root}: has {', '.join(others)} beside train and test; "
            f"{kind.name} for validation are taken out of train",
        )
    else:
        parts = {name: _classes(folders[name], kind) for name in ("train", "test")}
        if differ := parts["train"].keys() ^ parts["test"].keys():
            raise UserError(
                "classes-differ",
                f"--manual_dir={root}: only one of train and test has the classes "
                f"{', '.join(sorted(differ))}",
            )
    for files in parts["train"].values():
        if len(files) < MIN_FILES:
            raise UserError(
                "too-few-examples",
                f"--manual_dir={root}: {files[0].parent.name} has {len(files)} of the "
                f"{MIN_FILES} {kind.name} at least that each class needs to train on",
            )
    return parts


def label_files(parts: dict[str, Classes]) -> LabelledFiles:
    """The files of `find` in one list: those of train first, class by class."""
    names = tuple(parts["train"])
    files, labels = [], []
    for part in parts.values():
        for label, name in enumerate(names):
            files += part[name]
            labels += [label] * len(part[name])
    rows = np.split(np.arange(len(files)), [sum(map(len, parts["train"].values()))])
    rows_of = dict(zip(parts, rows, strict=False))  # without test no rows are left
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
            f"--manual_dir={root}: no folders of {kind.name} there; it needs "
            f"CLASS/{kind.pattern}, or train/CLASS/{kind.pattern} and test/CLASS",
        )
    if empty := [name for name, files in classes.items() if not files]:
        suffixes = " or ".join(suffix[1:] for suffix in kind.suffixes)
        raise UserError(
            "empty-class-folder",
            f"--manual_dir={root}: no {suffixes} in its folder {empty[0]}",
        )
    return classes
