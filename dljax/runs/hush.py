"""Errors that Orbax's threads print, and raise as well, are not printed."""

import contextlib
import gc
import logging
import sys
import time
from collections.abc import Iterator


@contextlib.contextmanager
def hushed() -> Iterator[None]:
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
