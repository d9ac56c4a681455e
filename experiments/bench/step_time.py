"""How long is a train step, beside PyTorch?

    python -m experiments.bench.step_time [--threads=2] [--rounds=9] [--case=mlp,lenet]

One process a variant, all on the same cores, in interleaved rounds; warm-up and
compilation apart; medians, with their ranges. Both sides do the same: gather a batch
from uint8 images, or int32 tokens, in memory, forward, backward, Adam; nets that make
images are measured beside eager PyTorch alone. dljax's side is its real program,
with the metrics and the check for finite numbers that every run has. The ratio is
PyTorch over dljax: above 1 dljax is the faster.
"""

import dataclasses
import shutil
import sys
import time

from dljax import config as configs
from dljax.cli import guarded
from dljax.config import flag
from experiments.bench import cases, workers
from experiments.bench.cases import CASES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags."""

    case: str = flag("mlp", "what is measured", choices=tuple(CASES))
    threads: int = flag(2, "threads of both", low=1)
    rounds: int = flag(9, "interleaved rounds", low=3)
    secs: float = flag(1.0, "length of a round", low=0.1)
    worker: str = flag("", "internal: this process measures one variant")


def dljax_steps(case):
    """steps(count) that trains with dljax."""
    from dljax import backend

    backend.prepare()
    import jax

    from dljax.training import programs

    size = CASES[case]
    source, task = cases.ours(size)
    program = programs.program(task, source, (0,), how="map", batch_size=size.batch)
    state = program.init()
    orders = program.orders(state, 0)

    def steps(count):
        nonlocal state
        state, report = program.advance(state, orders, 0, count)
        jax.block_until_ready(report)

    return steps


def torch_steps(case, *, threads, channels_last, compiled):
    """steps(count) that trains with PyTorch; `compiled`: its forward and backward."""
    import torch

    from experiments.bench import torch_generators, torch_side

    torch_side.setup(threads)
    if CASES[case].makes:
        maker = torch_generators.Maker(CASES[case], *cases.data(CASES[case]))
        rows = torch.randperm(9000)
        return lambda count: maker.steps(rows, count)
    net, x, y = cases.theirs(CASES[case])
    trainer = torch_side.Trainer(
        torch.compile(net) if compiled else net,
        x,
        y,
        batch_size=CASES[case].batch,
        channels_last=channels_last,
    )
    rows = torch.randperm(9000)
    return lambda count: trainer.steps(rows, count)


def work(variant: str, config: Config) -> None:
    """A worker: warms up, then measures a round for each line of standard input."""
    case, side = variant.split("/")
    if side == "dljax":
        steps = dljax_steps(case)
    else:
        steps = torch_steps(
            case,
            threads=config.threads,
            channels_last=side == "torch channels last",
            compiled=side == "torch compiled",
        )
    steps(3)
    begun = time.perf_counter()
    steps(10)
    count = max(1, int(config.secs * 10 / (time.perf_counter() - begun)))

    def measure():
        begun = time.perf_counter()
        steps(count)
        return {"value": (time.perf_counter() - begun) / count * 1e3}

    workers.serve(measure)


def main(arguments) -> int:
    """Prints a table; exit code 0."""
    asked = configs.parse(Config, arguments, factors={"case": tuple(CASES)})
    config = asked.config
    if config.worker:
        work(config.worker, config)
        return 0
    workers.limit(config.threads)
    for case in asked.factors["case"]:
        images = not CASES[case].vocabulary and (
            CASES[case].channels or CASES[case].depth
        )
        made = CASES[case].makes
        sides = ["dljax", "torch"] + ["torch channels last"] * bool(images and not made)
        if shutil.which("g++") and not made:  # what torch.compile needs on CPU
            sides.append("torch compiled")
        times = workers.interleaved(
            "experiments.bench.step_time",
            [f"{case}/{side}" for side in sides],
            (f"--threads={config.threads}", f"--secs={config.secs}"),
            config.rounds,
        )
        print(f"{case}, batch {CASES[case].batch}: ms a step, median (range); ratio")
        print(workers.lines(times, faster=lambda ours, its: its / ours), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
