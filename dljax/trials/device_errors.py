"""Turns errors of the device and of traced values into one-line messages."""

import contextlib
import sys
import traceback
from collections.abc import Iterator

import jax

from dljax.errors import FAILED_RUNS, UserError
from dljax.trials import disk
from dljax.trials.trial import TrialSpec


@contextlib.contextmanager
def explain_device_errors(trial: TrialSpec) -> Iterator[None]:
    """Turns an error of the device or of the task in this context into a `UserError`.

    Raises:
      UserError: the memory of the device is full, or the task needs the concrete value
        of a vmapped factor.
    """
    try:
        yield
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
        if not trial.numbers:
            raise
        frames = traceback.extract_tb(sys.exc_info()[2])
        own = [frame for frame in frames if "/jax/" not in frame.filename][-1]
        raise UserError(
            "number-is-traced",
            f"STUDY.vmapped_factors: {own.filename}:{own.lineno} ({own.line}) needs a "
            f"concrete value, and {', '.join(trial.numbers)} is traced there; compute "
            "with jax.numpy, or remove the name from STUDY.vmapped_factors",
        ) from None
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error) or disk.disk_errno(error):
            raise
        raise UserError(
            "out-of-device-memory",
            f"{trial.title}: the memory of the device is full; give a smaller "
            "--batch_size, or --seeds_by=map to train one seed at a time",
            FAILED_RUNS,
        ) from None
