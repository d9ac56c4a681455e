"""User errors, each one line on the terminal, and the exit codes of every command."""

import difflib
import importlib
import os
from collections.abc import Iterable
from typing import Any

DONE = 0
FAILED_RUNS = 1  # also: no checkpoint is usable, or a replay differs
USAGE = 2
DAMAGED_DATA = 66
LOCKED = 73
DISK = 74
PREEMPTED = 75

EXIT_CODES = {
    DONE: "done",
    FAILED_RUNS: "a run failed, or no usable checkpoint is left",
    USAGE: "wrong flags or an unprepared data set",
    DAMAGED_DATA: "a damaged file",
    LOCKED: "a locked directory",
    DISK: "a full or read-only disk",
    PREEMPTED: "stopped by a signal (the same command resumes)",
}


class UserError(Exception):
    """A mistake of the user or a fault of the machine, shown without a traceback.

    The terminal shows `error[ERROR_ID]: MESSAGE`.

    Args:
      error_id: the kind of error, stable between versions.
      message: one line: the flag or path, the fault, and what to do.
      code: the exit code of the process.
    """

    def __init__(self, error_id: str, message: str, code: int = USAGE):
        super().__init__(message)
        self.error_id = error_id
        self.code = code


def closest_match(
    word: str, known: Iterable[str], *, cutoff: float = 0.5
) -> str | None:
    """Returns the known word that `word` is probably a typo of.

    Args:
      word: the unknown word.
      known: the valid words.
      cutoff: the smallest similarity of a match: 1 for equal words, plus up to 0.3 for
        a common prefix.
    """

    def similarity(other: str) -> float:
        prefix = len(os.path.commonprefix([word, other])) / max(len(other), 1)
        return difflib.SequenceMatcher(None, word, other).ratio() + 0.3 * prefix

    best = max(known, key=similarity, default=None)
    return best if best is not None and similarity(best) >= cutoff else None


def import_extra(name: str, *, extra: str, purpose: str) -> Any:
    """Imports a package of an optional extra.

    Args:
      name: the package.
      extra: the extra of dljax that installs the package.
      purpose: the flag or the feature that needs the package.

    Raises:
      UserError: the package is not installed; names the pip command.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(
            "extra-not-installed",
            f"{purpose}: needs {name.partition('.')[0]}; run: pip install "
            f"'dljax[{extra}]'",
        ) from None


def first_line(error: BaseException) -> str:
    """Returns the first line of an error's message, or its type if that is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
