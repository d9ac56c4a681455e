"""metrics.jsonl: the metrics of a trial's runs, one JSON row per step and run.

A resume truncates the file to its length at the checkpoint, so that it becomes the same
as the file of an uninterrupted run.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from dljax.errors import DAMAGED_DATA, UserError

Rows = list[dict[str, Any]]


def read_rows(path: pathlib.Path) -> Rows:
    """Reads the rows of a metrics.jsonl.

    Raises:
      UserError: the file is missing or damaged.
    """
    try:
        with open(path, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        if all(row.keys() >= {"step", "seed", "split"} for row in rows):
            return rows
    except (FileNotFoundError, ValueError, AttributeError):
        pass
    raise UserError(
        "damaged-metrics",
        f"{path}: missing or damaged; compare it with a new training by dljax replay "
        f"{path.parent}, or delete the directory and repeat the command of the study",
        DAMAGED_DATA,
    )


class MetricsLog:
    """Appends rows to a metrics.jsonl after truncating it to `length` bytes.

    A class, because it holds an open file and the digest of its content.
    """

    def __init__(self, path: pathlib.Path, length: int):
        self._file = open(path, "a+b")  # noqa: SIM115
        self._file.truncate(length)
        self._file.seek(0)
        self._digest = hashlib.blake2b(self._file.read(), digest_size=16)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Appends rows, whose values are finite numbers, strings or None."""
        for row in rows:
            line = json.dumps(row, allow_nan=False).encode() + b"\n"
            self._file.write(line)
            self._digest.update(line)

    def mark(self) -> dict[str, Any]:
        """Flushes the file to disk; returns its length and digest, for a checkpoint."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return {"bytes": self._file.tell(), "blake2b": self._digest.hexdigest()}

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def find_mismatch(path: pathlib.Path, mark: Mapping[str, Any]) -> str | None:
    """Compares the beginning of a metrics.jsonl with a mark.

    Args:
      mark: as `MetricsLog.mark` returns.

    Returns:
      the difference in words; None if the first bytes are those of the mark.
    """
    content = path.read_bytes() if path.is_file() else b""
    if len(content) < mark["bytes"]:
        return f"{path.name} has {len(content)} of {mark['bytes']} bytes"
    digest = hashlib.blake2b(content[: mark["bytes"]], digest_size=16).hexdigest()
    return None if digest == mark["blake2b"] else f"{path.name} has changed"
