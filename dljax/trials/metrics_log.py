"""metrics.jsonl: the rows of a trial's runs, cut to the length at its checkpoint."""

import hashlib
import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from dljax.errors import DAMAGED_DATA, UserError

Rows = list[dict[str, Any]]


def read_rows(path: pathlib.Path) -> Rows:
    """The rows of a metrics.jsonl; raises UserError where it is damaged or missing."""
    try:
        with open(path, encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        if all(row.keys() >= {"step", "seed", "split"} for row in rows):
            return rows
    except (FileNotFoundError, ValueError, AttributeError):
        pass
    raise UserError(
        "damaged-metrics",
        f"{path}: is missing or damaged; dljax replay {path.parent} trains "
        "the trial again to compare",
        DAMAGED_DATA,
    )


class MetricsLog:
    """Appends rows to a metrics.jsonl, after the first `length` bytes of it.

    A class, because it holds an open file and a digest of its content.
    """

    def __init__(self, path: pathlib.Path, length: int):
        self._file = open(path, "a+b")  # noqa: SIM115
        self._file.truncate(length)
        self._file.seek(0)
        self._digest = hashlib.blake2b(self._file.read(), digest_size=16)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Adds rows of finite numbers, strings and nulls."""
        for row in rows:
            line = json.dumps(row, allow_nan=False).encode() + b"\n"
            self._file.write(line)
            self._digest.update(line)

    def mark(self) -> dict[str, Any]:
        """Flushes to disk; returns the length and digest that a checkpoint stores."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return {"bytes": self._file.tell(), "blake2b": self._digest.hexdigest()}

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def find_mismatch(path: pathlib.Path, mark: Mapping[str, Any]) -> str | None:
    """How a file differs from the one that was marked; None if it begins as that did.

    Args:
      mark: as `MetricsLog.mark` returns.
    """
    content = path.read_bytes() if path.is_file() else b""
    if len(content) < mark["bytes"]:
        return f"{path.name} has {len(content)} bytes of {mark['bytes']}"
    digest = hashlib.blake2b(content[: mark["bytes"]], digest_size=16).hexdigest()
    return None if digest == mark["blake2b"] else f"{path.name} is not what it was"
