"""How long is a train step, beside PyTorch?

    python -m experiments.bench.step_time [--threads=2] [--rounds=9] [--case=mlp,lenet]

One process a variant, all on the same cores, in interleaved rounds; warm-up and
compilation apart; medians. Both sides do the same: gather a batch from uint8 images in
memory, forward, backward, Adam. dljax's side is its real program, with the metrics and
the check for finite numbers that every run has. The ratio is the best PyTorch over
dljax: above 1 dljax is the faster.
"""

import dataclasses
import json
import subprocess
import sys
import time

import numpy as np

from dljax import config as configs
from dljax.cli import guarded
from dljax.config import flag

CASES = {
    "mlp": {"hidden": (512, 512), "batch": 128},
    "lenet": {"channels": (32, 64), "dense": 256, "batch": 128},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags."""

    case: str = flag("mlp", "what is measured", choices=tuple(CASES))
    threads: int = flag(2, "threads of both", low=1)
    rounds: int = flag(9, "interleaved rounds", low=3)
    secs: float = flag(1.0, "length of a round", low=0.1)
    worker: str = flag("", "internal: this process measures one variant")


def data():
    """MNIST-sized random images and labels: (uint8 (n, 28, 28), int64 (n,))."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (10_000, 28, 28), np.uint8), rng.integers(0, 10, 10_000)


def dljax_steps(case):
    """steps(count) that trains with dljax."""
    from dljax import backend

    backend.prepare()
    import jax
    import jax.numpy as jnp

    from dljax.data import Table
    from dljax.data.source import resident
    from dljax.models.ann import mlp
    from dljax.models.cnn import cnn
    from dljax.tasks.classification import classification
    from dljax.train import parallel
    from dljax.train.optimizers import adamw

    images, labels = data()
    arrays = {"image": images[..., None], "label": labels.astype(np.int32)}
    rows = np.arange(len(labels))
    table = Table("random", "1", arrays, {"train": rows, "test": rows[:500]}, ())
    size = CASES[case]
    if case == "mlp":
        net = mlp(size["hidden"], 10)
    else:
        net = cnn(size["channels"], size["dense"], 10)
    task = classification(net, adamw(1e-3), example=jnp.zeros((1, 28, 28, 1)))
    program = parallel.program(
        task, resident(table), (0,), how="map", batch_size=size["batch"]
    )
    state = program.init()
    orders = program.orders(state, 0)

    def steps(count):
        nonlocal state
        state, report = program.advance(state, orders, 0, count)
        jax.block_until_ready(report)

    return steps


def torch_steps(case, *, threads, channels_last):
    """steps(count) that trains with PyTorch."""
    import torch

    from experiments.bench import torch_side

    torch_side.setup(threads)
    images, labels = data()
    size = CASES[case]
    if case == "mlp":
        net = torch_side.mlp(784, size["hidden"], 10)
    else:
        net = torch_side.cnn(28, size["channels"], size["dense"], 10)
    trainer = torch_side.Trainer(
        net,
        images[:, None],
        labels,
        batch_size=size["batch"],
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
        last = side == "torch channels last"
        steps = torch_steps(case, threads=config.threads, channels_last=last)
    steps(3)
    begun = time.perf_counter()
    steps(10)
    count = max(1, int(config.secs * 10 / (time.perf_counter() - begun)))
    print("ready", flush=True)
    for _ in sys.stdin:
        begun = time.perf_counter()
        steps(count)
        ms = (time.perf_counter() - begun) / count * 1e3
        print(json.dumps(ms), flush=True)


def main(arguments) -> int:
    """Prints a table; exit code 0."""
    asked = configs.parse(Config, arguments, factors={"case": tuple(CASES)})
    config = asked.config
    if config.worker:
        work(config.worker, config)
        return 0
    for case in asked.factors["case"]:
        sides = ["dljax", "torch"] + ["torch channels last"] * (case == "lenet")
        times = interleaved([f"{case}/{side}" for side in sides], config)
        print(table(case, times), flush=True)
    return 0


def interleaved(variants, config):
    """{variant: ms a step, one a round}."""
    command = [sys.executable, "-m", "experiments.bench.step_time"]
    workers = {}
    for variant in variants:
        workers[variant] = subprocess.Popen(
            [
                *command,
                f"--worker={variant}",
                f"--threads={config.threads}",
                f"--secs={config.secs}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert workers[variant].stdout.readline() == "ready\n", variant
    times = {variant: [] for variant in variants}
    for _ in range(config.rounds):
        for variant, worker in workers.items():
            worker.stdin.write("go\n")
            worker.stdin.flush()
            times[variant].append(json.loads(worker.stdout.readline()))
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return times


def table(case, times):
    """Medians with their range, and the ratio."""
    lines = [f"{case}, batch {CASES[case]['batch']}: ms a step, median (range)"]
    medians = {variant: float(np.median(ms)) for variant, ms in times.items()}
    for variant, ms in times.items():
        side = variant.split("/")[1]
        lines.append(
            f"  {side:<20} {medians[variant]:7.2f}  ({min(ms):.2f} to {max(ms):.2f})"
        )
    ours = medians.pop(f"{case}/dljax")
    best = min(medians, key=medians.get)
    per_round = np.divide(times[best], times[f"{case}/dljax"])
    lines.append(
        f"  ratio {medians[best] / ours:.2f} of {best.split('/')[1]} over dljax "
        f"(by round {per_round.min():.2f} to {per_round.max():.2f})"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
