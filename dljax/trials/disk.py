"""Files that are whole or not there, and what is said when a disk refuses."""

import contextlib
import errno
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

from dljax.errors import DISK, UserError

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSALS = (*FULL, errno.EROFS, errno.EACCES, errno.EPERM)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes a whole file or nothing."""
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)  # a full disk gets its space back
        raise


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a whole file or nothing; the order of keys is kept."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: pathlib.Path) -> Any | None:
    """The value of a JSON file; None where there is none, or not a whole one."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def digest(path: pathlib.Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_writable(directory: pathlib.Path, flag: str) -> None:
    """Makes `directory`; raises UserError where nothing can be written to it."""
    probe = directory / ".writable"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"--{flag}={directory}: {error.strerror}; give a directory that can be "
            "written",
            DISK,
        ) from None


@contextlib.contextmanager
def refusals(directory: pathlib.Path) -> Iterator[None]:
    """Turns what the disk under `directory` refuses inside into a `UserError`.

    Raises:
      UserError: the disk is full, or cannot be written. Other errors go through.
    """
    try:
        yield
    except Exception as error:
        if (number := refused(error)) is None:
            raise
        where = getattr(error, "filename", None) or directory
        what = "make it readable and writable"
        if number in FULL:
            what = f"{_free(directory)} are free; make room"
        raise UserError(
            f"{where}: {os.strerror(number)}; {what} and give the same command again; "
            "what was saved before is kept",
            DISK,
        ) from None


def refused(error: BaseException) -> int | None:
    """The operating system's number if `error` is a disk's refusal, else None."""
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return error.errno
    for number in REFUSALS:  # TensorStore raises other types, with the number in them
        if f"os_error_code='{number}'" in str(error):
            return number
    return None


def _free(directory: pathlib.Path) -> str:
    try:
        return f"{shutil.disk_usage(directory).free / 1e6:,.1f} MB"
    except OSError:
        return "unknown"
