"""`text_file`: your own running text, a file, or the one .txt file of a folder.

Its first nine tenths are for training, then a twentieth for validation and one to test
on. Read where it is.
"""

import pathlib

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.plain_text import whole
from dljax.errors import UserError


def parts(text: str) -> dict[str, str]:
    """A text cut in three, by its characters."""
    first, second = round(0.9 * len(text)), round(0.95 * len(text))
    return {"train": text[:first], "valid": text[first:second], "test": text[second:]}


def find(root: pathlib.Path) -> pathlib.Path:
    """The file.

    Raises:
      UserError: there is none, or more than one.
    """
    if root.is_file():
        return root
    files = sorted(root.glob("*.txt"))
    if len(files) != 1:
        names = ", ".join(path.name for path in files) or "none"
        raise UserError(
            f"--manual_dir={root}: text_file needs one .txt file; there is {names}"
        )
    return files[0]


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """A table {"text"}, a row a part.

    Raises:
      UserError: see `find`; it is not UTF-8.
    """
    del resize
    cut = parts(whole(find(root)))
    arrays = {"text": np.array([its.encode() for its in cut.values()])}
    rows = {name: np.array([i]) for i, name in enumerate(cut)}
    return ArrayDataset("text_file", "1.0.0", arrays, rows, ())
