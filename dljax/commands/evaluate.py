"""dljax evaluate RUN: measures a trial's newest checkpoint again.

RUN is a trial's directory. Prints a row per run with every test metric, and whether
metrics.jsonl has the same values for that step.
"""

import numpy as np

TOLERANCE = 1e-4  # from which a recorded metric differs


def main(arguments: list[str]) -> int:
    """Evaluates a checkpoint; exit code 1 if a metric differs or a run failed."""
    from dljax import backend
    from dljax.errors import DONE, FAILED_RUNS, UserError
    from dljax.studies import loading
    from dljax.training.loop import divide

    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise UserError("usage", "usage: dljax evaluate RUN")
    backend.prepare()
    run = loading.load(arguments[0])
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
        note = "nothing recorded"
        if (row := recorded.get((variant, seed, int(steps[i])))) is not None:
            errors = {k: _distance(row[k], values[k][i]) for k in values}
            name, largest = max(errors.items(), key=lambda pair: pair[1])
            difference = f"recorded {name} differs by {largest:.2g}"
            note = "as recorded" if largest == 0 else difference
            differs |= bool(largest > TOLERANCE)
        if not alive[i]:
            note = f"failed: a loss was not finite after step {steps[i]}"
            differs = True
        name = f"{variant}, seed {seed}" if several else f"seed {seed}"
        print(f"{name}: {metrics}  ({note})")
    return FAILED_RUNS if differs else DONE


def _distance(recorded: float | None, value: float) -> float:
    """The absolute difference: 0 if neither is finite, infinite if only one is."""
    stored = np.float32(np.nan if recorded is None else recorded)
    if np.isnan(stored) and np.isnan(value):
        return 0.0
    return float(np.nan_to_num(abs(stored - value), nan=np.inf))
