"""User errors, each one line, and the exit codes of every command."""

import difflib
import importlib
import os
from collections.abc import Iterable
from typing import Any

DONE = 0
FAILED_RUNS = 1  # finished, but runs failed, no checkpoint is usable, or bits differ
USAGE = 2  # bad flags or config, or a data set that is not prepared
DAMAGED_DATA = 66
LOCKED = 73
DISK = 74  # a directory that cannot be written, or a full disk
PREEMPTED = 75  # stopped by a signal; the same command resumes


class UserError(Exception):
    """A mistake of the user or a fault of the machine: one line, never a traceback.

    Args:
      error_id: names the kind of error; stable between versions, shown in brackets.
      message: names the flag or path, and says what to do.
      code: the exit code of the process.
    """

    def __init__(self, error_id: str, message: str, code: int = USAGE):
        super().__init__(message)
        self.error_id = error_id
        self.code = code


def closest_match(
    word: str, known: Iterable[str], *, cutoff: float = 0.5
) -> str | None:
    """The known word that `word` may be a typo of; common prefixes count more."""

    def similarity(other: str) -> float:
        prefix = len(os.path.commonprefix([word, other])) / max(len(other), 1)
        return difflib.SequenceMatcher(None, word, other).ratio() + 0.3 * prefix

    best = max(known, key=similarity, default=None)
    return best if best is not None and similarity(best) >= cutoff else None


def import_extra(name: str, *, extra: str, purpose: str) -> Any:
    """Imports a package of an optional extra.

    Raises:
      UserError: the package is not installed; names `purpose` and the pip command.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(
            "extra-not-installed",
            f"{purpose} needs {name}: pip install 'dljax[{extra}]'",
        ) from None


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where there is none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
