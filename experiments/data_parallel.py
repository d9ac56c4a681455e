"""Do larger batches and more devices speed up training?

Claim: "Computing in parallel over data raises performance."

The throughput in examples per second is measured with 16, 64 and 256 examples per
update, on one device and with each batch shared by two. The time to 75 % validation
accuracy is measured without compilation and evaluation. Both are logarithms to base 2:
a difference of 1 is a factor of 2. Every seed trains each variant once, in turn. The
loss after an epoch must not depend on the number of devices; `tests/test_laws.py` tests
this on eight. On a CPU a device is restricted to one core: in a first measurement,
where XLA used both cores for one device, two devices gained nothing.

    python -m experiments.data_parallel  # a few minutes on 2 cores, each a device
    python -m experiments.data_parallel --devices=1,2,4,8  # eight GPUs
"""

import contextlib
import dataclasses
import os
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import TIMES
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    devices: int = flag(1, "devices that share each batch", low=1)
    batch_size: int = flag(256, "examples per batch", low=1)
    target: float = flag(
        0.75, "validation accuracy that ends the training", low=0, below=1
    )
    canvas: int = flag(16, "side of the canvas; each image at a random position", low=8)
    channels: int = flag(
        16, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(128, "width of the fully connected layer", low=1)
    learning_rate: float = flag(5e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(60.0, "maximum number of passes over the training data", low=0)


def rule(batch, devices, sooner_by_batch, sooner_by_devices, same):
    """Supported if throughput is higher with 256 examples per update than with 16, and
    with two devices than with one, 75 % validation accuracy is reached sooner with two
    devices than with one (Holm-adjusted tests at 0.05), and the loss after an epoch on
    two devices is equivalent to that on one within 0.001 nats (two one-sided tests); if
    not, refuted if the larger batch or the second device multiplies the throughput by
    less than 1.1 (simultaneous intervals); else undecided. The effect of the batch size
    on the time to 75 % is reported and decides nothing.
    """
    del sooner_by_batch
    faster = batch.above(0) and devices.above(0) and sooner_by_devices.below(0)
    if faster and same.within(0.001):
        return "supported"
    useless = any(c.below(0.1375) for c in (batch, devices))  # 2 ** 0.1375 = 1.1
    return "refuted" if useless else "undecided"


STUDY = Study(
    claim="Computing in parallel over data raises performance.",
    family="building blocks",
    factors={"devices": (1, 2), "batch_size": (16, 64, 256)},
    primary_metric="log2_examples_per_sec",
    contrasts={
        "batch": ("1/256", "1/16"),
        "devices": ("2/256", "1/256"),
        "sooner_by_batch": ("1/256@log2_secs", "1/16@log2_secs"),
        "sooner_by_devices": ("2/256@log2_secs", "1/256@log2_secs"),
        "same": ("2/256@loss", "1/256@loss"),
    },
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "channels": 2, "hidden": 4, "batch_size": (256,)},
    default_is_full={"digits": TIMES},
)


def source(config):
    """Images on a larger canvas; times do not depend on folds."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.canvas)._replace(test_train_ratio=0.0)


def task(config, source, numbers):
    """Classification by a CNN."""
    from dljax.models.cnn import cnn
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    example, outputs = image_example(source)

    net = cnn((config.channels, 2 * config.channels), config.hidden, outputs)
    return classification(net, adamw(config.learning_rate), example=example)


def measure(config, task, source):
    """A function that trains a seed to the target, then times as many updates again.

    The second pass has no evaluation, so that its time is that of the updates alone. On
    a CPU the process is restricted to one core per device, since XLA would use all
    cores for one device.
    """
    import math

    import jax

    from dljax.errors import UserError
    from dljax.training.programs import make_program

    devices = jax.devices()[: config.devices]
    if len(devices) < config.devices:
        raise UserError(
            "too-few-devices",
            f"--devices={config.devices}: there are {len(devices)}; give fewer",
        )

    def run(seed):
        program = make_program(
            task,
            source,
            [seed],
            strategy="shard",
            batch_size=config.batch_size,
            devices=devices,
        )
        with limited_to(config.devices):
            steps, loss, accuracy = train_to_target(config, program)
            secs = update_secs(program, steps)
        return {
            "log2_examples_per_sec": math.log2(steps * config.batch_size / secs),
            "log2_secs": math.log2(secs) if accuracy >= config.target else None,
            "updates": steps,
            "loss": loss,
            "accuracy": accuracy,
        }

    run(0)  # warm-up
    return run


def train_to_target(config, program):
    """Trains until validation accuracy reaches the target, or all epochs are done.

    Returns:
      The number of updates, the loss after the first epoch, the validation accuracy.
    """
    from dljax.training import loop

    rows: list[dict] = []

    def hits():
        return [
            row
            for row in rows
            if row["split"] == "valid" and row["accuracy"] >= config.target
        ]

    loop.train(
        program,
        loop.init_train_state(program, None),
        step=0,
        steps=config.updates(program.steps_per_epoch),
        log_every=program.steps_per_epoch,
        eval_every=program.steps_per_epoch,
        test=False,
        hooks=loop.Hooks(
            write=lambda new: rows.extend(row for _, row in new),
            stop=lambda: bool(hits()),
        ),
    )
    loss = next(row["loss"] for row in rows if row["split"] == "train")
    last = [row for row in rows if row["split"] == "valid"][-1]
    row = next(iter(hits()), last)
    return row["step"], loss, row["accuracy"]


def update_secs(program, steps):
    """Seconds of the first `steps` updates, without compilation and evaluation."""
    import time

    import jax

    secs, state = 0.0, program.init()
    for step in range(0, steps, program.steps_per_epoch):
        permutations = program.shuffle(state, step // program.steps_per_shuffle)
        offset = step % program.steps_per_shuffle
        count = min(program.steps_per_epoch, steps - step)
        jax.block_until_ready((state, permutations))
        start = time.perf_counter()
        state, _ = program.train_steps(state, permutations, offset, count)
        jax.block_until_ready(state)
        secs += time.perf_counter() - start
    return secs


@contextlib.contextmanager
def limited_to(cores):
    """Restricts all threads of this process to `cores` cores (on CPU, on Linux)."""
    from dljax.ops.backend_forms import on_cpu

    if not on_cpu() or not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)

    def move(to):
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(int(thread), to)

    move(set(sorted(allowed)[:cores]))
    try:
        yield
    finally:
        move(allowed)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
