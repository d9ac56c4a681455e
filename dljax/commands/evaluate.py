"""Evaluates a trial's checkpoint again and compares the metrics with those recorded.

TRIAL is a trial's directory. The command prints one line per run with the test metrics
of the newest checkpoint, or of the best one where the study selects by validation, and
the largest difference from the row of metrics.jsonl for the same step.
"""

import numpy as np

from dljax.commands.arguments import parse
from dljax.errors import DONE, FAILED_RUNS

USAGE = "TRIAL"
TOLERANCE = 1e-4  # absolute, of a metric
EXIT_CODES = {
    DONE: f"every recorded metric is within {TOLERANCE} of the new value",
    FAILED_RUNS: "a metric differs by more, or a run failed",
}
EXAMPLES = ("dljax evaluate runs/STUDY/TRIAL",)


def main(arguments: list[str]) -> int:
    """Runs `dljax evaluate`; returns the exit code.

    Raises:
      UserError: see `loading.load`.
    """
    (path,), _ = parse("evaluate", USAGE, arguments)
    from dljax import backend
    from dljax.studies import loading
    from dljax.training.loop import divide

    backend.prepare()
    run = loading.load(path)
    test = run.split == "test"
    sums = run.program.evaluate(run.tested, run.split, final_metrics=test, samples=test)
    values = {k: divide(*pair)[: len(run.runs)] for k, pair in sums.items()}
    recorded = {
        (row["variant"], row["seed"], row["step"]): row
        for row in run.metrics
        if row["split"] == run.split
    }
    print(f"{run.variant} at step {run.step}, {run.split} data of {run.source.name}")
    differs = False
    several = len({r.variant for r in run.runs}) > 1
    alive, steps = np.asarray(run.state.alive), np.asarray(run.tested.step)
    for i, (variant, seed) in enumerate((r.variant, r.seed) for r in run.runs):
        metrics = "  ".join(f"{name} {value[i]:.6g}" for name, value in values.items())
        note = "no row recorded for this step"
        if (row := recorded.get((variant, seed, int(steps[i])))) is not None:
            errors = {k: _distance(row[k], values[k][i]) for k in values}
            name, largest = max(errors.items(), key=lambda pair: pair[1])
            difference = f"{name} differs from the recorded one by {largest:.2g}"
            note = "equal to the recorded row" if largest == 0 else difference
            differs |= bool(largest > TOLERANCE)
        if not alive[i]:
            note = f"failed: the loss was not finite after step {steps[i]}"
            differs = True
        name = f"{variant}, seed {seed}" if several else f"seed {seed}"
        print(f"{name}: {metrics}  ({note})")
    return FAILED_RUNS if differs else DONE


def _distance(recorded: float | None, value: float) -> float:
    """Absolute difference: 0 if both are NaN, infinite if one of them is."""
    stored = np.float32(np.nan if recorded is None else recorded)
    if np.isnan(stored) and np.isnan(value):
        return 0.0
    return float(np.nan_to_num(abs(stored - value), nan=np.inf))
