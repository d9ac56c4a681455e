"""One-line exceptions for Orbax's errors, without the output of its threads."""

import contextlib
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from dljax.trials.disk import disk_errno


@contextlib.contextmanager
def suppress_thread_errors() -> Iterator[None]:
    """Suppresses the output of Orbax's threads about an error in this context.

    Orbax reads and writes all arrays concurrently and returns at the first error; the
    threads of the other arrays then fail, because their event loop is closed.
    """

    def hook(unraisable):
        if str(unraisable.exc_value) != "Event loop is closed":
            default_hook(unraisable)

    def drop(record):
        del record
        return False

    default_hook, sys.unraisablehook = sys.unraisablehook, hook
    loggers = [logging.getLogger(name) for name in ("asyncio", "absl")]
    for logger in loggers:
        logger.addFilter(drop)
    try:
        yield
    finally:
        sys.unraisablehook = default_hook
        for logger in loggers:
            logger.removeFilter(drop)


def wait_for_threads() -> None:
    """Waits until the threads of the other arrays have failed, while suppressed."""
    time.sleep(0.1)
    gc.collect()


def call_orbax(
    function: Callable[[], Any], *, error_type: Callable[[str], Exception] | None = None
) -> Any:
    """Calls function(); re-raises errors as fresh exceptions without Orbax references.

    Args:
      error_type: for calls that read: returns the exception of a one-line summary. If
        None, only errors of the disk are replaced.

    Raises:
      OSError: the disk is full or not writable.
    """
    with suppress_thread_errors():
        try:
            return function()
        except Exception as error:
            number = disk_errno(error)
            if number is None and error_type is None:
                raise
            summary = _summarize(error)
        wait_for_threads()
    if number is not None:
        raise OSError(number, os.strerror(number))
    assert error_type is not None
    raise error_type(summary)


def _summarize(error: Exception) -> str:
    """Returns TensorStore's error code, or the first line of the message."""
    line = (str(error).strip().splitlines() or [""])[0]
    code = line.split(":")[0]
    if code.isupper():  # DATA_LOSS, OUT_OF_RANGE ...; a long message follows
        return f"cannot read its arrays, {code}"
    return line[:120] or type(error).__name__
