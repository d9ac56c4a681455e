"""dljax: deep-learning ablation studies in JAX, from flags to a report."""

from typing import Any


def load(run: str) -> Any:
    """A finished or half-done trial as Python values.

    See `dljax.studies.loading.Loaded`; `dljax.errors.UserError` where there is nothing
    to load.
    """
    from dljax.studies.loading import load as load_run

    return load_run(run)
