"""Files that are written completely or not at all, and errors of the disk."""

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

FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
DISK_ERRNOS = (*FULL_ERRNOS, errno.EROFS, errno.EACCES, errno.EPERM)


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


def sha256(path: pathlib.Path) -> str:
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
            "directory-not-writable",
            f"--{flag}={directory}: {error.strerror}; give a directory that can be "
            "written",
            DISK,
        ) from None


@contextlib.contextmanager
def explain_disk_errors(directory: pathlib.Path) -> Iterator[None]:
    """Turns the disk's errors inside the context into a `UserError`.

    Raises:
      UserError: the disk is full, or cannot be written. Other errors go through.
    """
    try:
        yield
    except Exception as error:
        if (number := disk_errno(error)) is None:
            raise
        where = getattr(error, "filename", None) or directory
        what = "make it readable and writable"
        if number in FULL_ERRNOS:
            what = f"{_free(directory)} are free; make room"
        raise UserError(
            "disk-error",
            f"{where}: {os.strerror(number)}; {what} and give the same command again; "
            "what was saved before is kept",
            DISK,
        ) from None


def disk_errno(error: BaseException) -> int | None:
    """The errno of a full or unwritable disk's error; None for another error."""
    if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
        return error.errno
    for number in DISK_ERRNOS:  # TensorStore puts it into the message
        if f"os_error_code='{number}'" in str(error):
            return number
    return None


def _free(directory: pathlib.Path) -> str:
    try:
        return f"{shutil.disk_usage(directory).free / 1e6:,.1f} MB"
    except OSError:
        return "unknown"
