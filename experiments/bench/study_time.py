"""How long does a whole study of 8 seeds take, beside PyTorch?

    python -m experiments.bench.study_time [--net=cnn] [--seeds=8] [--rounds=3]

The CNN of `experiments.cnn_vs_mlp` on the digits, or the LSTM of `row_mnist` that reads
them pixel by pixel, 64 steps: all seeds, every update and every evaluation. dljax
trains them in one program, the seeds spread over the cores; its compilation and its
final save are stated apart. PyTorch (eager, fused Adam, denormals flushed) trains them
one after another on two threads, or two processes at a time on one thread each; the
better of the two counts. Rounds are interleaved; medians.
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
from experiments import cnn_vs_mlp, row_mnist
from experiments.bench import workers

EVALUATIONS = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags."""

    net: str = flag("cnn", "what is trained", choices=("cnn", "lstm"))
    seeds: int = flag(8, "how many seeds", low=2)
    rounds: int = flag(3, "interleaved rounds", low=1)
    worker: str = flag("", "internal: this process measures one variant")


def study(net: str, seeds: int):
    """An experiment and its config, without what PyTorch's side has not: dropout, and
    images moved about. dljax has the experiment's schedule or clipping besides.
    """
    if net == "cnn":
        return cnn_vs_mlp, cnn_vs_mlp.Config(seeds=seeds, dropout=0.0, canvas=0)
    return row_mnist, row_mnist.Config(seeds=seeds, parts=8, epochs=10.0)


def dljax_worker(net: str, seeds: int) -> None:
    """Trains the study for each line of standard input."""
    from dljax import backend

    backend.prepare()
    import jax

    from dljax.sources.resident import updates
    from dljax.training import loop, programs
    from dljax.trials.checkpoint import Saver

    experiment, config = study(net, seeds)
    source = experiment.source(config)
    program = programs.program(
        experiment.task(config),
        source,
        range(seeds),
        how="cores" if jax.device_count() > 1 else "map",
        batch_size=config.batch_size,
    )
    steps = updates(config, source)

    def measure():
        rows: list[tuple[int, dict]] = []
        outcome = loop.train(
            program,
            loop.begin(program, None),
            step=0,
            steps=steps,
            log_every=max(1, steps // 50),
            eval_every=max(1, steps // EVALUATIONS),
            hooks=loop.Hooks(
                write=rows.extend,
                save=lambda step, kept: None,
                save_due=lambda: False,
                stop=lambda: False,
                progress=lambda step, metrics: None,
            ),
        )
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            saver = Saver(pathlib.Path(folder))
            saver.save(steps, program.take(outcome.kept), {})
            saver.wait()
            saver.close()
            save = time.perf_counter() - begun
        accuracy = np.mean([r["accuracy"] for _, r in rows if r["split"] == "test"])
        found = {"secs": outcome.train_secs, "compile": outcome.compile_secs}
        return found | {"save": save, "accuracy": accuracy}

    workers.serve(measure)


def torch_worker(which: str, net: str, seeds: int) -> None:
    """Trains `which` of the seeds ("all", "even", "odd") for each line of input."""
    from dljax.datasets.loading import load
    from dljax.datasets.location import find
    from dljax.datasets.splits import splits
    from experiments.bench import torch_side

    torch_side.setup(2 if which == "all" else 1)
    _, config = study(net, seeds)
    table = load(find(config.dataset))
    images = (table.arrays["image"][:, None, ..., 0] * (255 // 16)).astype(np.uint8)
    arrays = (images, table.arrays["label"].astype(np.int64))
    chosen = {"all": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}
    if net == "lstm":
        arrays = images.reshape(-1, 1, 64, 1), arrays[1]

    def make():
        if net == "lstm":
            return torch_side.Recurrent("lstm", 1, config.hidden, 10)
        channels = (config.channels, 2 * config.channels)
        return torch_side.cnn(8, channels, config.hidden, 10)

    def measure():
        return torch_side.study(
            range(seeds)[chosen[which]],
            arrays,
            [splits(table, fold) for fold in range(5)],
            epochs=int(config.epochs),
            evaluations=EVALUATIONS,
            make=make,
            batch_size=config.batch_size,
            rate=config.learning_rate,
        )

    workers.serve(measure)


def main(arguments) -> int:
    """Prints the table; exit code 0."""
    config = configs.parse(Config, arguments, factors={}).config
    if config.worker == "dljax":
        dljax_worker(config.net, config.seeds)
        return 0
    if config.worker:
        torch_worker(config.worker, config.net, config.seeds)
        return 0
    workers.limit(2)
    module = "experiments.bench.study_time"
    flags = f"--net={config.net}", f"--seeds={config.seeds}"
    started = {
        v: workers.start(module, f"--worker={v}", *flags)
        for v in ("dljax", "all", "even", "odd")
    }
    ours, one, two = [], [], []
    for _ in range(config.rounds):
        ours += workers.ask(started["dljax"])
        one += workers.ask(started["all"])
        both = workers.ask(started["even"], started["odd"])
        two.append({"secs": max(b["secs"] for b in both)} | {"accuracy": 0.0})
    for process in started.values():
        process.communicate()

    def median(rounds, key="secs"):
        return float(np.median([found[key] for found in rounds]))

    name = {"cnn": "CNN", "lstm": "LSTM"}[config.net]
    print(f"{config.seeds} seeds of the digits {name}, training and evaluation, s")
    for name, rounds in (
        ("dljax, seeds over the cores", ours),
        ("torch, in sequence, 2 threads", one),
        ("torch, two at a time, 1 thread each", two),
    ):
        secs = [found["secs"] for found in rounds]
        print(
            f"  {name:<37} {median(rounds):6.2f}  ({min(secs):.2f} to {max(secs):.2f})"
        )
    ratio = min(median(one), median(two)) / median(ours)
    print(f"  ratio {ratio:.1f} of the better torch over dljax")
    first = ours[0]
    print(
        f"  dljax apart: compile {first['compile']:.1f} s (first round), "
        f"save {median(ours, 'save'):.2f} s"
    )
    print(
        f"  mean test accuracy: dljax {median(ours, 'accuracy'):.4f}, "
        f"torch {median(one, 'accuracy'):.4f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
