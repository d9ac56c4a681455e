"""dljax evaluate RUN: measures a trial's newest checkpoint again.

RUN is a trial's directory. Prints a row per run with every test metric, and whether it
is what metrics.jsonl has for that step.
"""

import numpy as np


def main(arguments: list[str]) -> int:
    """Exit code 0 if all is as recorded or nothing was, 1 if not, or a run failed."""
    from dljax import backend
    from dljax.errors import DONE, FAILED_RUNS, UserError
    from dljax.studies import loading
    from dljax.training.loop import divide

    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise UserError("usage: dljax evaluate RUN")
    backend.prepare()
    run = loading.load(arguments[0])
    test = run.split == "test"
    metrics = run.program.evaluate(run.tested, run.split, probes=test, samples=test)
    values = {k: divide(*pair)[: len(run.runs)] for k, pair in metrics.items()}
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
        shown = "  ".join(f"{name} {value[i]:.6g}" for name, value in values.items())
        note = "nothing recorded"
        if (row := recorded.get((variant, seed, int(steps[i])))) is not None:
            off = {k: _apart(row[k], values[k][i]) for k in values}
            name, worst = max(off.items(), key=lambda pair: pair[1])
            differs_by = f"recorded {name} differs by {worst:.2g}"
            note = "as recorded" if worst == 0 else differs_by
            differs |= bool(worst > 1e-4)
        if not alive[i]:
            note = f"failed: a loss was not finite after step {steps[i]}"
            differs = True
        name = f"{variant}, seed {seed}" if several else f"seed {seed}"
        print(f"{name}: {shown}  ({note})")
    return FAILED_RUNS if differs else DONE


def _apart(recorded: float | None, value: float) -> float:
    """How far; a number that one of the two has not is as far as can be."""
    before = np.float32(np.nan if recorded is None else recorded)
    if np.isnan(before) and np.isnan(value):
        return 0.0
    return float(np.nan_to_num(abs(before - value), nan=np.inf))
