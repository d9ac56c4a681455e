"""How much time does a vmapped factor save?

    python -m experiments.bench.array_time [--levels=4] [--seeds=8] [--rounds=3]

The CNN of `experiments.cnn_vs_mlp` on the digits, some learning rates x some seeds, for
10 epochs, grouped into trials in three ways: all runs in one compiled program; a
program for each learning rate; a program for each run. A time covers all trials of a
grouping, with compilation (caches are cleared) and files. Rounds are interleaved;
medians.
"""

import dataclasses
import pathlib
import sys
import tempfile
import time

import numpy as np

from dljax import config as configs
from dljax.cli import guarded
from dljax.config import flag

from .. import cnn_vs_mlp


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags of array_time."""

    levels: int = flag(4, "number of learning rates", low=2)
    seeds: int = flag(8, "number of seeds", low=1)
    rounds: int = flag(3, "interleaved rounds", low=1)


def groupings(levels: int, seeds: int):
    """{name of a grouping: its trials}; all groupings have the same runs."""
    from dljax.studies import study_spec, trial_groups
    from dljax.studies.experiment import of_module

    experiment = of_module(cnn_vs_mlp)
    rates = [float(rate) for rate in np.geomspace(5e-4, 4e-3, levels)]
    config = cnn_vs_mlp.Config(epochs=10.0)
    request = configs.StudyRequest(
        dataclasses.replace(config, seeds=seeds),
        {"learning_rate": tuple(rates)},
        frozenset(),
    )

    def task(config, source, numbers):
        rate = numbers.get("learning_rate", config.learning_rate)
        config = dataclasses.replace(config, learning_rate=rate)
        return cnn_vs_mlp.task(config, source, {})

    def trials_of(vmapped_factors, seed_batches):
        study = experiment.study._replace(
            factors=request.factors, vmapped_factors=vmapped_factors
        )
        bound = experiment._replace(study=study, task=task)
        spec = study_spec.make_spec(bound, request, None)
        spec = dataclasses.replace(spec, seed_batches=seed_batches)
        spec = trial_groups.with_trial_groups(study, spec, {})
        return trial_groups.verdict_trials(bound, config, spec, {})

    together = (tuple(range(seeds)),)
    return {
        "one program": trials_of(("learning_rate",), together),
        "a program a learning rate": trials_of((), together),
        "a program a run": trials_of((), tuple((seed,) for seed in range(seeds))),
    }


def measure(trials) -> float:
    """Runs the trials one after another; returns the seconds in total."""
    import jax

    from dljax.trials.progress import Progress
    from dljax.trials.run_trial import execute

    jax.clear_caches()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        for bound in trials:
            execute(
                bound.trial,
                bound.task,
                bound.source,
                pathlib.Path(folder, bound.trial.name),
                stop=lambda: False,
                progress=Progress(),
            )
        return time.perf_counter() - start


def main(arguments) -> int:
    """Prints the table; returns the exit code."""
    from dljax import backend

    config = configs.parse(Config, arguments, factors={}).config
    backend.prepare()
    import jax

    jax.config.update("jax_enable_compilation_cache", False)
    trials = groupings(config.levels, config.seeds)
    measure(trials["one program"])  # warm-up: imports, the first checkpoint
    secs: dict[str, list[float]] = {name: [] for name in trials}
    for _ in range(config.rounds):
        for name, prepared in trials.items():
            secs[name].append(measure(prepared))
    first = float(np.median(secs["one program"]))
    print(f"{config.levels} learning rates x {config.seeds} seeds of the digits CNN, s")
    for name, values in secs.items():
        median = float(np.median(values))
        print(
            f"  {name:<26} {median:6.1f}  ({min(values):.1f} to {max(values):.1f}), "
            f"{len(trials[name])} trial(s), {median / first:.1f} times"
        )
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
