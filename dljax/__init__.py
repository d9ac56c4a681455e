"""dljax: deep-learning ablation studies in JAX, from flags to a report."""

from typing import Any


def load(run: str) -> Any:
    """A finished or half-done trial as Python values.

    See `dljax.loading.Loaded`; `dljax.errors.Refusal` where there is nothing to load.
    """
    from dljax.loading import load as load_run

    return load_run(run)
