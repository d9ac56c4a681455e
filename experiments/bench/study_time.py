"""How long does a study of 8 seeds take, compared with PyTorch?

    python -m experiments.bench.study_time [--network=cnn] [--seeds=8] [--rounds=3]

The study trains the CNN of `cnn_vs_mlp` on the digits, or the LSTM of `row_mnist` on
their pixels, one by one (64 steps): all seeds, every update and every evaluation. dljax
trains all seeds in one program, spread over the cores; compilation and the last
checkpoint are reported separately. PyTorch (eager, fused Adam, denormals flushed)
trains one seed after another on two threads, or in two processes on one thread each;
the faster of the two counts. Rounds are interleaved; the table has medians and ranges.
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

from .. import cnn_vs_mlp, row_mnist
from . import workers

EVALUATIONS = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags of study_time."""

    network: str = flag("cnn", "network", choices=("cnn", "lstm"), formerly="net")
    seeds: int = flag(8, "number of seeds", low=2)
    rounds: int = flag(3, "interleaved rounds", low=1)
    worker: str = flag("", "internal: this process measures one variant")


def study(net: str, seeds: int):
    """The experiment and its config, without dropout and without a canvas.

    dljax also applies the experiment's learning rate schedule or gradient clipping;
    PyTorch does not.
    """
    if net == "cnn":
        return cnn_vs_mlp, cnn_vs_mlp.Config(seeds=seeds, dropout=0.0, canvas=0)
    return row_mnist, row_mnist.Config(seeds=seeds, steps_per_row=8, epochs=10.0)


def dljax_worker(net: str, seeds: int) -> None:
    """Trains the study once per line of standard input."""
    from dljax import backend

    backend.prepare()
    import jax

    from dljax.sources.resident import updates
    from dljax.training import loop, programs
    from dljax.trials.checkpoint import Saver

    experiment, config = study(net, seeds)
    source = experiment.source(config)
    program = programs.make_program(
        experiment.task(config, source, {}),
        source,
        range(seeds),
        strategy="cores" if jax.device_count() > 1 else "map",
        batch_size=config.batch_size,
    )
    steps = updates(config, source)

    def measure():
        rows: list[tuple[int, dict]] = []
        outcome = loop.train(
            program,
            loop.init_train_state(program, None),
            step=0,
            steps=steps,
            log_every=max(1, steps // 50),
            eval_every=max(1, steps // EVALUATIONS),
            hooks=loop.Hooks(write=rows.extend),
        )
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            saver = Saver(pathlib.Path(folder))
            saver.save(steps, program.to_host(outcome.train_state), {})
            saver.wait()
            saver.close()
            save = time.perf_counter() - start
        accuracy = np.mean([r["accuracy"] for _, r in rows if r["split"] == "test"])
        return {
            "secs": outcome.train_secs,
            "compile": outcome.compile_secs,
            "save": save,
            "accuracy": accuracy,
        }

    workers.serve(measure)


def torch_worker(subset: str, net: str, seeds: int) -> None:
    """Trains the "all", "even" or "odd" seeds once per line of standard input."""
    from dljax.datasets.loading import load
    from dljax.datasets.location import find
    from dljax.datasets.splits import split_by_seed

    from . import torch_models, torch_training

    torch_training.setup(2 if subset == "all" else 1)
    _, config = study(net, seeds)
    dataset = load(find(config.dataset))
    images = (dataset.arrays["image"][:, None, ..., 0] * (255 // 16)).astype(np.uint8)
    arrays = (images, dataset.arrays["label"].astype(np.int64))
    subsets = {"all": slice(None), "even": slice(0, None, 2), "odd": slice(1, None, 2)}
    if net == "lstm":
        arrays = images.reshape(-1, 1, 64, 1), arrays[1]

    def make_net():
        if net == "lstm":
            return torch_models.Recurrent("lstm", 1, config.hidden, 10)
        channels = (config.channels, 2 * config.channels)
        return torch_models.cnn(8, channels, config.hidden, 10)

    def measure():
        return torch_training.train_seeds(
            range(seeds)[subsets[subset]],
            arrays,
            [split_by_seed(dataset)(fold) for fold in range(5)],
            epochs=int(config.epochs),
            evaluations=EVALUATIONS,
            make_net=make_net,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
        )

    workers.serve(measure)


def main(arguments) -> int:
    """Prints the table; returns the exit code."""
    config = configs.parse(Config, arguments, factors={}).config
    if config.worker == "dljax":
        dljax_worker(config.network, config.seeds)
        return 0
    if config.worker:
        torch_worker(config.worker, config.network, config.seeds)
        return 0
    workers.limit_cores(2)
    module = workers.module_name(__spec__)
    flags = f"--network={config.network}", f"--seeds={config.seeds}"
    processes = {
        v: workers.start(module, f"--worker={v}", *flags)
        for v in ("dljax", "all", "even", "odd")
    }
    dljax, sequential, parallel = [], [], []
    for _ in range(config.rounds):
        dljax += workers.measure(processes["dljax"])
        sequential += workers.measure(processes["all"])
        halves = workers.measure(processes["even"], processes["odd"])
        parallel.append({"secs": max(half["secs"] for half in halves)})
    for process in processes.values():
        process.communicate()

    def median(rounds, key="secs"):
        return float(np.median([timing[key] for timing in rounds]))

    name = {"cnn": "CNN", "lstm": "LSTM"}[config.network]
    print(f"{config.seeds} seeds of the digits {name}, training and evaluation, s")
    for name, rounds in (
        ("dljax, seeds over the cores", dljax),
        ("torch, in sequence, 2 threads", sequential),
        ("torch, two at a time, 1 thread each", parallel),
    ):
        secs = [timing["secs"] for timing in rounds]
        print(
            f"  {name:<37} {median(rounds):6.2f}  ({min(secs):.2f} to {max(secs):.2f})"
        )
    ratio = min(median(sequential), median(parallel)) / median(dljax)
    print(f"  ratio of the faster torch variant to dljax: {ratio:.1f}")
    first = dljax[0]
    print(
        f"  dljax, not included: compilation {first['compile']:.1f} s (first round), "
        f"checkpoint {median(dljax, 'save'):.2f} s"
    )
    print(
        f"  mean test accuracy: dljax {median(dljax, 'accuracy'):.4f}, "
        f"torch {median(sequential, 'accuracy'):.4f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
