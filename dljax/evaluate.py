"""python -m dljax.evaluate RUN: measures a trial's newest checkpoint again.

RUN is a trial's directory. Prints a row per seed with every test metric, and whether it
is what metrics.jsonl has for that step.
"""

import sys

import numpy as np


def main(arguments: list[str]) -> int:
    """Exit code 0 if all is as recorded or nothing was, 1 if not, or a run failed."""
    from dljax import backend, loading
    from dljax.errors import DONE, FAILED_RUNS, Refusal
    from dljax.train.loop import divide

    if "--help" in arguments:
        print(__doc__)
        return DONE
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise Refusal("usage: python -m dljax.evaluate RUN")
    backend.prepare()
    run = loading.load(arguments[0])
    found = run.program.evaluate(run.tested, "test")
    values = {k: divide(*pair)[: len(run.seeds)] for k, pair in found.items()}
    recorded = {row["seed"]: row for row in run.metrics if row["split"] == "test"}
    print(f"{run.variant} at step {run.step}, test data of {run.source.name}")
    differs = False
    alive, steps = np.asarray(run.state.alive), np.asarray(run.tested.step)
    for i, seed in enumerate(run.seeds):
        shown = "  ".join(f"{name} {value[i]:.6g}" for name, value in values.items())
        note = "nothing recorded"
        if seed in recorded:
            row = {k: recorded[seed][k] for k in values}
            worst = max(abs(np.float32(row[k]) - values[k][i]) for k in values)
            note = "as recorded" if worst == 0 else f"recorded differs by {worst:.2g}"
            differs |= bool(worst > 1e-4)
        if not alive[i]:
            note = f"failed: a loss was not finite after step {steps[i]}"
            differs = True
        print(f"seed {seed}: {shown}  ({note})")
    return FAILED_RUNS if differs else DONE


if __name__ == "__main__":
    from dljax.cli import guarded

    sys.exit(guarded(lambda: main(sys.argv[1:])))
