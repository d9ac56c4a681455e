"""Orbax's errors: said once, in one line, and not also printed by its threads."""

import contextlib
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from dljax.trials.disk import refused


@contextlib.contextmanager
def silence_threads() -> Iterator[None]:
    """Hides what Orbax's threads print of an error inside.

    It works on all arrays at once and leaves at the first that fails; the others then
    find their event loop closed.
    """

    def hook(unraisable):
        if str(unraisable.exc_value) != "Event loop is closed":
            before(unraisable)

    def never(record):
        del record
        return False

    before, sys.unraisablehook = sys.unraisablehook, hook
    loggers = [logging.getLogger(name) for name in ("asyncio", "absl")]
    for logger in loggers:
        logger.addFilter(never)
    try:
        yield
    finally:
        sys.unraisablehook = before
        for logger in loggers:
            logger.removeFilter(never)


def settle() -> None:
    """Lets the other arrays' reads and writes fail too, before anyone listens again."""
    time.sleep(0.1)
    gc.collect()


def quietly(
    call: Callable[[], Any], *, raises: Callable[[str], Exception] | None = None
) -> Any:
    """call(); re-raises its error as a fresh exception with no reference to Orbax.

    Args:
      raises: makes the error from its gist, for a call that reads; else only a disk's
        refusal is made anew.

    Raises:
      OSError: a disk refused.
    """
    with silence_threads():
        try:
            return call()
        except Exception as error:
            number = refused(error)
            if number is None and raises is None:
                raise
            gist = _gist(error)
        settle()
    if number is not None:
        raise OSError(number, os.strerror(number))
    assert raises is not None
    raise raises(gist)


def _gist(error: Exception) -> str:
    """TensorStore's code, or the first line."""
    line = (str(error).strip().splitlines() or [""])[0]
    code = line.split(":")[0]
    if code.isupper():  # DATA_LOSS, OUT_OF_RANGE ...; what follows is a page
        return f"its arrays cannot be read, {code}"
    return line[:120] or type(error).__name__
