"""What does a numeric factor as an array axis save?

    python -m experiments.bench.array_time [--levels=4] [--seeds=8] [--rounds=3]

The CNN of `experiments.cnn_vs_mlp` on the digits, some learning rates x some seeds, for
10 epochs, in three packings: all runs in one compiled program; a program for each
learning rate; a program for each run. Each way is the whole of its trials, compilation
(nothing is kept from before) and files included. Rounds are interleaved; medians.
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
from experiments import cnn_vs_mlp


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags."""

    levels: int = flag(4, "how many learning rates", low=2)
    seeds: int = flag(8, "how many seeds", low=1)
    rounds: int = flag(3, "interleaved rounds", low=1)


class Silent:
    """A progress bar that shows nothing."""

    def say(self, line):
        """See `dljax.trials.progress.Progress`."""

    def begin(self, total, start, label):
        """See `dljax.trials.progress.Progress`."""

    def update(self, step, metrics):
        """See `dljax.trials.progress.Progress`."""

    def end(self):
        """See `dljax.trials.progress.Progress`."""


def packings(levels: int, seeds: int):
    """{way: the trials it makes of the same runs}."""
    from dljax.studies import trial_groups
    from dljax.studies.experiment import of_module

    experiment = of_module(cnn_vs_mlp)
    rates = [float(rate) for rate in np.geomspace(5e-4, 4e-3, levels)]
    config = cnn_vs_mlp.Config(epochs=10.0)
    declared = {
        "fixed": {},
        "factors": {"learning_rate": rates},
        "variants": [[str(rate), {"learning_rate": rate}] for rate in rates],
        "seeds": list(range(seeds)),
        "rule_sha256": "",
    }

    def made(array, blocks):
        study = experiment.study._replace(vmapped_factors=array)
        return trial_groups.of_verdict(
            experiment._replace(study=study),
            config,
            declared | {"blocks": blocks, "packs": {}},
            {},
        )

    together = [declared["seeds"]]
    return {
        "one program": made(("learning_rate",), together),
        "a program a learning rate": made((), together),
        "a program a run": made((), [[seed] for seed in declared["seeds"]]),
    }


def measure(prepared) -> float:
    """Seconds from the first trial's start to the last one's end."""
    import jax

    from dljax.trials.run_trial import execute

    jax.clear_caches()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        for trial, task, source, _ in prepared:
            place = pathlib.Path(folder, trial.name)
            execute(trial, task, source, place, stop=lambda: False, show=Silent())
        return time.perf_counter() - begun


def main(arguments) -> int:
    """Prints the table; exit code 0."""
    from dljax import backend

    config = configs.parse(Config, arguments, factors={}).config
    backend.prepare()
    import jax

    jax.config.update("jax_enable_compilation_cache", False)
    ways = packings(config.levels, config.seeds)
    measure(ways["one program"])  # imports and the first checkpoint's, once
    secs: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(config.rounds):
        for way, prepared in ways.items():
            secs[way].append(measure(prepared))
    first = float(np.median(secs["one program"]))
    print(f"{config.levels} learning rates x {config.seeds} seeds of the digits CNN, s")
    for way, found in secs.items():
        middle = float(np.median(found))
        print(
            f"  {way:<26} {middle:6.1f}  ({min(found):.1f} to {max(found):.1f}), "
            f"{len(ways[way])} trial(s), {middle / first:.1f} times"
        )
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
