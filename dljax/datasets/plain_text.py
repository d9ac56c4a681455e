"""UTF-8 files as text, and the part of a split that a text belongs to."""

import hashlib
import pathlib

import numpy as np

from dljax.errors import DAMAGED_DATA, UserError

PARTS = {"train": 8, "valid": 1, "test": 1}  # tenths of a text that has no parts


def part_of(text: str) -> str:
    """Which part a text without parts belongs to, by its hash."""
    digest = hashlib.blake2b(text.encode(), digest_size=4).digest()
    bucket = int.from_bytes(digest, "big") % sum(PARTS.values())
    bounds = np.cumsum(list(PARTS.values()))
    return list(PARTS)[int(np.searchsorted(bounds, bucket, side="right"))]


def read_text(path: pathlib.Path) -> str:
    """The text of a file of UTF-8.

    Raises:
      UserError: it is not UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise UserError("not-utf-8", f"{path}: is not UTF-8", DAMAGED_DATA) from None


def read_lines(path: pathlib.Path) -> list[str]:
    """The lines of a file, without blanks around them; raises as `read_text`.

    A line ends where an editor ends it: other marks of Unicode belong to the text.
    """
    text = read_text(path).rstrip("\n")
    return [line.strip() for line in text.split("\n")] if text else []
