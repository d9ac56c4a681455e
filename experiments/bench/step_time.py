"""How long does a training step take, compared with PyTorch?

    python -m experiments.bench.step_time [--threads=2] [--rounds=9] [--case=mlp,lenet]

Each variant runs in its own process, all on the same cores, in interleaved rounds,
after warm-up and compilation. Both libraries gather a batch from uint8 images or int32
tokens in memory, and run forward, backward and Adam. dljax runs the program of a real
trial, with metrics and the check for finite losses. Generative networks are compared
with eager PyTorch only. The table has medians and ranges; the ratio is PyTorch over
dljax, above 1 where dljax is faster.
"""

import dataclasses
import shutil
import sys
import time

from dljax import config as configs
from dljax.cli import guarded
from dljax.config import flag

from . import cases, workers
from .cases import CASES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags of step_time."""

    case: str = flag("mlp", "network and task", choices=tuple(CASES))
    threads: int = flag(2, "threads of either library", low=1)
    rounds: int = flag(9, "interleaved rounds", low=3)
    secs: float = flag(1.0, "length of a round in seconds", low=0.1)
    worker: str = flag("", "internal: this process measures one variant")


def dljax_steps(case):
    """Returns steps(count), which makes `count` updates with dljax."""
    from dljax import backend

    backend.prepare()
    import jax

    from dljax.training import programs

    source, task = cases.source_and_task(case)
    program = programs.make_program(
        task, source, (0,), strategy="map", batch_size=case.batch_size
    )
    state = program.init()
    orders = program.shuffle(state, 0)

    def steps(count):
        nonlocal state
        state, report = program.train_steps(state, orders, 0, count)
        jax.block_until_ready(report)

    return steps


def torch_steps(case, *, threads, channels_last, compiled):
    """Returns steps(count), which makes `count` updates with PyTorch.

    Args:
      case: the network and the size of its data.
      threads: PyTorch's threads.
      channels_last: the memory format of images and kernels.
      compiled: whether torch.compile compiles forward and backward.
    """
    import torch

    from . import torch_generators, torch_training

    torch_training.setup(threads)
    if case.generative:
        generative = torch_generators.GenerativeTrainer(case, *cases.data(case))
        rows = torch.randperm(9000)
        return lambda count: generative.steps(rows, count)
    net, x, y = cases.torch_net_and_data(case)
    trainer = torch_training.Trainer(
        torch.compile(net) if compiled else net,
        x,
        y,
        batch_size=case.batch_size,
        channels_last=channels_last,
    )
    rows = torch.randperm(9000)
    return lambda count: trainer.steps(rows, count)


def work(variant: str, config: Config) -> None:
    """Runs a worker: warms up, then measures a round per line of standard input."""
    name, library = variant.split("/")
    if library == "dljax":
        steps = dljax_steps(CASES[name])
    else:
        steps = torch_steps(
            CASES[name],
            threads=config.threads,
            channels_last=library == "torch channels last",
            compiled=library == "torch compiled",
        )
    steps(3)
    start = time.perf_counter()
    steps(10)
    count = max(1, int(config.secs * 10 / (time.perf_counter() - start)))

    def measure():
        start = time.perf_counter()
        steps(count)
        return {"value": (time.perf_counter() - start) / count * 1e3}

    workers.serve(measure)


def main(arguments) -> int:
    """Prints a table per case; returns the exit code."""
    request = configs.parse(Config, arguments, factors={"case": tuple(CASES)})
    config = request.config
    if config.worker:
        work(config.worker, config)
        return 0
    workers.limit_cores(config.threads)
    for name in request.factors["case"]:
        case = CASES[name]
        convolutional = not case.vocabulary and (case.channels or case.depth)
        libraries = ["dljax", "torch"]
        if convolutional and not case.generative:
            libraries.append("torch channels last")
        if shutil.which("g++") and not case.generative:  # torch.compile needs g++
            libraries.append("torch compiled")
        times = workers.run_interleaved(
            workers.module_name(__spec__),
            [f"{name}/{library}" for library in libraries],
            (f"--threads={config.threads}", f"--secs={config.secs}"),
            config.rounds,
        )
        print(f"{name}, batch {case.batch_size}: ms per step, median (range); ratio")
        table = workers.format_table(times, speedup=lambda first, other: other / first)
        print(table, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
