"""Atomic writes of files, and one-line messages for errors of the disk."""

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
    """Writes a file atomically: the whole text, or nothing.

    Raises:
      OSError: the disk is full or not writable.
    """
    part = path.with_name(path.name + ".part")
    try:
        with open(part, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)  # frees the space on a full disk
        raise


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a JSON file atomically, with the keys in the order of `value`."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: pathlib.Path) -> Any | None:
    """Reads a JSON file; returns None if it is missing or is not valid JSON."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def sha256(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check_writable(directory: pathlib.Path, flag: str) -> None:
    """Creates `directory` and checks that files can be written to it.

    Args:
      flag: the flag whose value the directory is, without dashes.

    Raises:
      UserError: the directory cannot be created or written.
    """
    probe = directory / ".writable"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UserError(
            "directory-not-writable",
            f"--{flag}={directory}: {error.strerror}; give a writable directory",
            DISK,
        ) from None


@contextlib.contextmanager
def explain_disk_errors(directory: pathlib.Path) -> Iterator[None]:
    """Turns errors of the disk in this context into a `UserError`.

    Args:
      directory: names the disk where an error names no file.

    Raises:
      UserError: the disk is full or not writable. Other exceptions pass unchanged.
    """
    try:
        yield
    except Exception as error:
        if (number := disk_errno(error)) is None:
            raise
        path = getattr(error, "filename", None) or directory
        fault, way_out = os.strerror(number), "make it readable and writable"
        if number in FULL_ERRNOS:
            fault, way_out = f"{fault}, {_free(directory)} free", "free some space"
        raise UserError(
            "disk-error",
            f"{path}: {fault}; {way_out}, then repeat the command, which resumes from "
            "the last checkpoint",
            DISK,
        ) from None


def disk_errno(error: BaseException) -> int | None:
    """Returns the errno of an error of the disk; None for any other error."""
    if isinstance(error, OSError) and error.errno in DISK_ERRNOS:
        return error.errno
    for number in DISK_ERRNOS:  # TensorStore writes the errno into the message
        if f"os_error_code='{number}'" in str(error):
            return number
    return None


def _free(directory: pathlib.Path) -> str:
    try:
        return f"{shutil.disk_usage(directory).free / 1e6:,.1f} MB"
    except OSError:
        return "unknown"
