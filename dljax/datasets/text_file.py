"""`text_file`: your own running text, a file, or the one .txt file of a folder.

Its first nine tenths are for training, then a twentieth for validation and one to test
on. Read in place.
"""

import pathlib

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.plain_text import read_text
from dljax.errors import UserError


def split_text(text: str) -> dict[str, str]:
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
            "manual-dir-incomplete",
            f"--manual_dir={root}: text_file needs one .txt file; there is {names}",
        )
    return files[0]


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Arrays {"text"}, a row a part.

    Raises:
      UserError: see `find`; it is not UTF-8.
    """
    del resize
    texts = split_text(read_text(find(root)))
    arrays = {"text": np.array([text.encode() for text in texts.values()])}
    rows = {name: np.array([i]) for i, name in enumerate(texts)}
    return ArrayDataset("text_file", "1.0.0", arrays, rows, ())
