"""Reading of UTF-8 files, and splits by hash."""

import hashlib
import pathlib

import numpy as np

from dljax.errors import DAMAGED_DATA, UserError

PARTS = {"train": 8, "valid": 1, "test": 1}  # tenths


def part_of(text: str) -> str:
    """The split of a text, "train", "valid" or "test", by its hash.

    Equal texts are in one split, and added texts do not move others.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=4).digest()
    bucket = int.from_bytes(digest, "big") % sum(PARTS.values())
    bounds = np.cumsum(list(PARTS.values()))
    return list(PARTS)[int(np.searchsorted(bounds, bucket, side="right"))]


def read_text(path: pathlib.Path) -> str:
    """Reads a UTF-8 file.

    Raises:
      UserError: the file is not UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise UserError(
            "not-utf-8", f"{path}: is not UTF-8; convert it to UTF-8", DAMAGED_DATA
        ) from None


def read_lines(path: pathlib.Path) -> list[str]:
    """Reads the lines of a UTF-8 file, stripped of surrounding whitespace.

    Only "\\n" ends a line; other Unicode line separators belong to the text.

    Raises:
      UserError: see `read_text`.
    """
    text = read_text(path).rstrip("\n")
    return [line.strip() for line in text.split("\n")] if text else []
