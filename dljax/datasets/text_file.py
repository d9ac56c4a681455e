"""`text_file`: a user's running text, from a file or the one .txt file of a directory.

The first 90 % of the characters are the training split, the next 5 % the validation
split and the last 5 % the test split. Read in place.
"""

import pathlib

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.plain_text import read_text
from dljax.errors import UserError


def split_text(text: str) -> dict[str, str]:
    """Splits a text by its characters: 90 % train, 5 % valid, 5 % test, in order."""
    first, second = round(0.9 * len(text)), round(0.95 * len(text))
    return {"train": text[:first], "valid": text[first:second], "test": text[second:]}


def find(root: pathlib.Path) -> pathlib.Path:
    """The path of the text file: `root`, or the one .txt file in it.

    Raises:
      UserError: the directory does not have exactly one .txt file.
    """
    if root.is_file():
        return root
    files = sorted(root.glob("*.txt"))
    if len(files) != 1:
        names = ", ".join(path.name for path in files) or "no .txt file"
        raise UserError(
            "manual-dir-incomplete",
            f"--manual_dir={root}: has {names}; give --manual_dir=FILE, or a directory "
            "with exactly one .txt file",
        )
    return files[0]


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Reads the text: arrays {"text"}, one row per split.

    Args:
      resize: ignored; text has no images.

    Raises:
      UserError: see `find`; the file is not UTF-8.
    """
    del resize
    texts = split_text(read_text(find(root)))
    arrays = {"text": np.array([text.encode() for text in texts.values()])}
    rows = {name: np.array([i]) for i, name in enumerate(texts)}
    return ArrayDataset("text_file", "1.0.0", arrays, rows, ())
