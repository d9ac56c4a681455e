"""dljax: deep-learning ablation studies in JAX, from flags to a report."""

from typing import Any


def load(trial: str) -> Any:
    """Loads a trial, finished or not, as Python values.

    Args:
      trial: the trial's directory, as "runs/STUDY/TRIAL".

    Returns:
      a `dljax.studies.loading.Loaded`: the task, its state, config and metrics.

    Raises:
      UserError: the directory holds no trial, or no usable checkpoint.
    """
    from dljax.studies.loading import load as load_trial

    return load_trial(trial)
