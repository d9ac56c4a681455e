"""How long is a train step, beside PyTorch?

    python -m experiments.bench.step_time [--threads=2] [--rounds=9] [--case=mlp,lenet]

One process a variant, all on the same cores, in interleaved rounds; warm-up and
compilation apart; medians, with their ranges. Both sides do the same: gather a batch
from uint8 images in memory, forward, backward, Adam. dljax's side is its real program,
with the metrics and the check for finite numbers that every run has. The ratio is
PyTorch over dljax: above 1 dljax is the faster.
"""

import dataclasses
import shutil
import sys
import time

import numpy as np

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

    from dljax.train import parallel

    size = CASES[case]
    source, task = cases.ours(size)
    program = parallel.program(task, source, (0,), how="map", batch_size=size.batch)
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

    from experiments.bench import torch_side

    torch_side.setup(threads)
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
        return {"ms": (time.perf_counter() - begun) / count * 1e3}

    workers.serve(measure)


def main(arguments) -> int:
    """Prints a table; exit code 0."""
    asked = configs.parse(Config, arguments, factors={"case": tuple(CASES)})
    config = asked.config
    if config.worker:
        work(config.worker, config)
        return 0
    for case in asked.factors["case"]:
        images = not CASES[case].vocabulary and (
            CASES[case].channels or CASES[case].depth
        )
        sides = ["dljax", "torch"] + ["torch channels last"] * bool(images)
        if shutil.which("g++"):  # what torch.compile needs on CPU
            sides.append("torch compiled")
        times = interleaved([f"{case}/{side}" for side in sides], config)
        print(table(case, times), flush=True)
    return 0


def interleaved(variants: list[str], config: Config) -> dict[str, list[float]]:
    """{variant: ms a step, one a round}."""
    flags = (f"--threads={config.threads}", f"--secs={config.secs}")
    module = "experiments.bench.step_time"
    started = {v: workers.start(module, f"--worker={v}", *flags) for v in variants}
    times: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(config.rounds):
        for variant, process in started.items():
            times[variant] += [found["ms"] for found in workers.ask(process)]
    for process in started.values():
        process.communicate()
    return times


def table(case: str, times: dict[str, list[float]]) -> str:
    """Medians with their range, and the ratio to every PyTorch."""
    lines = [f"{case}, batch {CASES[case].batch}: ms a step, median (range); ratio"]
    ours = times[f"{case}/dljax"]
    for variant, ms in times.items():
        line = f"  {variant.split('/')[1]:<20} {np.median(ms):7.2f}"
        line += f"  ({min(ms):.2f} to {max(ms):.2f})"
        if ms is not ours:
            per_round = np.divide(ms, ours)
            line += f"   {np.median(ms) / np.median(ours):.2f}"
            line += f"  (by round {per_round.min():.2f} to {per_round.max():.2f})"
        lines.append(line)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
