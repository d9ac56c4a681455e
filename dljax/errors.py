"""What a user can do wrong, said in one line, and the exit codes of every command."""

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
    """A user's mistake or a bad surrounding: one line for them, never a traceback.

    Args:
      message: names the flag or path and says what to do.
      code: the exit code of the process.
    """

    def __init__(self, message: str, code: int = USAGE):
        super().__init__(message)
        self.code = code


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.5) -> str | None:
    """The known word that `word` may be a slip of; a right beginning counts."""

    def likeness(other: str) -> float:
        begun = len(os.path.commonprefix([word, other])) / max(len(other), 1)
        return difflib.SequenceMatcher(None, word, other).ratio() + 0.3 * begun

    best = max(known, key=likeness, default=None)
    return best if best is not None and likeness(best) >= cutoff else None


def package(name: str, *, extra: str, what: str) -> Any:
    """Imports a package that an extra brings.

    Raises:
      UserError: it is not installed; says that `what` needs it, and how to get it.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(f"{what} needs {name}: pip install 'dljax[{extra}]'") from None


def first_line(error: BaseException) -> str:
    """What a library says of an error, without the rest of its page."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
