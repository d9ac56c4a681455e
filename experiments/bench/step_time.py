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
from typing import NamedTuple

import numpy as np

from dljax import config as configs
from dljax.cli import guarded
from dljax.config import flag
from experiments.bench import workers


class Case(NamedTuple):
    """An MLP's hidden widths; with channels, a CNN's; with a depth, a ResNet; with a
    cell, a recurrent net of so many neurons that reads the images row by row; with a
    vocabulary, one that translates sentences as long as these with attention.
    """

    hidden: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    depth: int = 0
    cell: str = ""
    batch: int = 128
    image: tuple[int, int, int] = (28, 28, 1)
    vocabulary: int = 0


CASES = {
    "mlp": Case((512, 512)),
    "lenet": Case((256,), (32, 64)),
    "resnet8": Case(depth=8, batch=64, image=(32, 32, 3)),
    "resnet20": Case(depth=20, batch=64, image=(32, 32, 3)),
} | {
    f"{cell}{length}": Case((128,), cell=cell, batch=64, image=(length, 64, 1))
    for cell in ("rnn", "gru", "lstm")
    for length in (100, 400)
}
CASES |= {
    f"attention{length}": Case(
        (128,), cell="gru", batch=64, image=(length, 1, 1), vocabulary=2000
    )
    for length in (100, 400)
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags."""

    case: str = flag("mlp", "what is measured", choices=tuple(CASES))
    threads: int = flag(2, "threads of both", low=1)
    rounds: int = flag(9, "interleaved rounds", low=3)
    secs: float = flag(1.0, "length of a round", low=0.1)
    worker: str = flag("", "internal: this process measures one variant")


def data(size):
    """Random images and labels: (uint8 (n, h, w, c), int64 (n,)); or sentences and
    translations, int32 (n, t) both.
    """
    rng = np.random.default_rng(0)
    image = size.image
    if size.vocabulary:
        x, y = rng.integers(4, size.vocabulary, (2, 10_000, image[0]), np.int32)
        return x, y
    images = rng.integers(0, 256, (10_000, *image), np.uint8)
    return images, rng.integers(0, 10, 10_000)


def dljax_steps(case):
    """steps(count) that trains with dljax."""
    from dljax import backend

    backend.prepare()
    import jax

    from dljax.train import parallel

    size = CASES[case]
    make = translating if size.vocabulary else classifying
    source, task = make(size)
    program = parallel.program(task, source, (0,), how="map", batch_size=size.batch)
    state = program.init()
    orders = program.orders(state, 0)

    def steps(count):
        nonlocal state
        state, report = program.advance(state, orders, 0, count)
        jax.block_until_ready(report)

    return steps


def classifying(size):
    """dljax's source and task of images."""
    import jax.numpy as jnp

    from dljax.data import Table
    from dljax.data.source import resident
    from dljax.models.ann import mlp
    from dljax.models.cnn import cnn
    from dljax.models.net import of_input
    from dljax.models.recurrent import recurrent, rows
    from dljax.models.resnet import resnet
    from dljax.tasks.classification import classification
    from dljax.train.optimizers import adamw

    images, labels = data(size)
    arrays = {"image": images, "label": labels.astype(np.int32)}
    every = np.arange(len(labels))
    table = Table("random", "1", arrays, {"train": every, "test": every[:500]}, ())
    if size.depth:
        net = resnet(size.depth, 10)
    elif size.cell:
        net = recurrent("many_to_one", size.cell, size.hidden[0], 10)
        net = of_input(net, rows)
    elif size.channels:
        net = cnn(size.channels, size.hidden[0], 10)
    else:
        net = mlp(size.hidden, 10)
    task = classification(net, adamw(1e-3), example=jnp.zeros((1, *size.image)))
    return resident(table), task


def translating(size):
    """dljax's source and task of sentences."""
    from dljax.contract import Source
    from dljax.data.source import example, order, take
    from dljax.models.recurrent import recurrent
    from dljax.tasks.tokens import tokens
    from dljax.train.optimizers import adamw

    x, y = data(size)
    every = np.arange(len(y))
    arrays = {"x": x, "y": y, "before": np.roll(y, 1, axis=1)}
    parts = {"train": every[:9000], "valid": every[:500], "test": every[:500]}
    source = Source("random", "1", "", arrays, lambda seed: parts, order, take)
    net = recurrent(
        "attention",
        size.cell,
        size.hidden[0],
        size.vocabulary,
        vocabulary=size.vocabulary,
        embedding=64,
        bidirectional=True,
    )
    one = example(source, "x", "before")
    return source, tokens(net, adamw(1e-3), example=one, given=tuple(one))


def torch_steps(case, *, threads, channels_last, compiled):
    """steps(count) that trains with PyTorch; `compiled`: its forward and backward."""
    import torch

    from experiments.bench import torch_side

    torch_side.setup(threads)
    size = CASES[case]
    images, labels = data(size)
    net: torch.nn.Module
    if size.vocabulary:
        net = torch_side.Translator(size.vocabulary, 64, size.hidden[0])
        images = np.concatenate([images, np.roll(labels, 1, axis=1)], axis=1)
    elif size.depth:
        net = torch_side.resnet(size.depth, 10)
    elif size.cell:
        net = torch_side.Recurrent(size.cell, size.image[1], size.hidden[0], 10)
    elif size.channels:
        net = torch_side.cnn(28, size.channels, size.hidden[0], 10)
    else:
        net = torch_side.mlp(784, size.hidden, 10)
    trainer = torch_side.Trainer(
        torch.compile(net) if compiled else net,
        images if size.vocabulary else images.transpose(0, 3, 1, 2).copy(),
        labels,
        batch_size=size.batch,
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
        images = CASES[case].channels or CASES[case].depth
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
