"""Folders of files, one for each class: DIR/CLASS/*, or DIR/train/CLASS and
DIR/test/CLASS.

They are read where they are, each time: nothing is prepared that another folder could
be taken for.
"""

import pathlib
from typing import NamedTuple

import numpy as np

from dljax.errors import UserError

FEWEST = 5  # training files of a class: one a fold

Classes = dict[str, list[pathlib.Path]]


class Kind(NamedTuple):
    """What the files are called, "images", and how their names end, (".png", ...)."""

    name: str
    endings: tuple[str, ...]

    @property
    def shown(self) -> str:
        """As a pattern: *.png (jpg, jpeg)."""
        first, *others = (end[1:] for end in self.endings)
        return f"*.{first} ({', '.join(others)})" if others else f"*.{first}"


class Listed(NamedTuple):
    """Every file, and its label, int32 (n,); which are which part; the classes."""

    files: list[pathlib.Path]
    labels: np.ndarray
    parts: dict[str, np.ndarray]
    names: tuple[str, ...]


def find(root: pathlib.Path, kind: Kind) -> dict[str, Classes]:
    """The files, {"train" (and "test"): {class: files}}, in order of their names.

    Raises:
      UserError: there are none, or too few of a class, or other classes to test on.
    """
    inside = _folders(root)
    if not {"train", "test"} <= inside.keys():
        parts = {"train": _classes(root, kind)}
    elif more := sorted(inside.keys() - {"train", "test"}):
        raise UserError(
            f"--manual_dir={root}: has {', '.join(more)} beside train and test; "
            f"{kind.name} for validation are taken out of train"
        )
    else:
        parts = {name: _classes(inside[name], kind) for name in ("train", "test")}
        if differ := parts["train"].keys() ^ parts["test"].keys():
            raise UserError(
                f"--manual_dir={root}: only one of train and test has the classes "
                f"{', '.join(sorted(differ))}"
            )
    for files in parts["train"].values():
        if len(files) < FEWEST:
            raise UserError(
                f"--manual_dir={root}: {files[0].parent.name} has {len(files)} of the "
                f"{FEWEST} {kind.name} at least that each class needs to train on"
            )
    return parts


def listed(parts: dict[str, Classes]) -> Listed:
    """What `find` found, in one row: train's files first, class by class."""
    names = tuple(parts["train"])
    files, labels = [], []
    for part in parts.values():
        for label, name in enumerate(names):
            files += part[name]
            labels += [label] * len(part[name])
    rows = np.split(np.arange(len(files)), [sum(map(len, parts["train"].values()))])
    its = dict(zip(parts, rows, strict=False))  # without test no rows are left for it
    return Listed(files, np.array(labels, np.int32), its, names)


def _folders(root: pathlib.Path) -> dict[str, pathlib.Path]:
    return {
        path.name: path
        for path in sorted(root.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }


def _classes(root: pathlib.Path, kind: Kind) -> Classes:
    classes = {
        name: sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in kind.endings and not path.name.startswith(".")
        )
        for name, folder in _folders(root).items()
    }
    if not classes:
        raise UserError(
            f"--manual_dir={root}: no folders of {kind.name} there; it needs "
            f"CLASS/{kind.shown}, or train/CLASS/{kind.shown} and test/CLASS"
        )
    if empty := [name for name, files in classes.items() if not files]:
        ends = " or ".join(end[1:] for end in kind.endings)
        raise UserError(f"--manual_dir={root}: no {ends} in its folder {empty[0]}")
    return classes
