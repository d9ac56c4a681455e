"""Does computing in parallel over data raise performance?

Claim: "Computing in parallel over data raises performance."

Two forms of it: more examples an update on one device, and each batch shared by two
devices. Of both the throughput is measured, in examples a second, and the time to 75 %
on validation data, compilation and evaluation apart; both as logarithms to base 2, so
that a difference of 1 is a factor of 2. The variants take turns: every seed is trained
once on each. How many devices share a batch must not change what is learned.

    python -m experiments.data_parallel                         # two cores
    python -m experiments.data_parallel --devices=1,2,4,8       # eight GPUs

Digits on 16x16 pixels, 10 seeds, a minute on 2 x86-64 cores, each of which is a device:
supported. Simultaneous intervals, as factors: examples a second with 256 an update over
16 on one device 1.70 (1.66 to 1.74), two devices over one at 256 1.76 (1.65 to 1.89);
the time to 75 % with two devices over one 0.57 (0.53 to 0.61), with 256 an update over
16 1.99 (1.75 to 2.28): larger batches are faster by the example, and need more of them.
A first measurement let one device compute on both cores, as XLA does; two devices then
gained nothing: 0.98 (0.94 to 1.02).
The loss after an epoch is the same on one and two devices; `tests/test_laws.py` holds
that on eight.
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
    batch_size: int = flag(256, "examples in a batch", low=1)
    target: float = flag(
        0.75, "validation accuracy that ends the training", low=0, below=1
    )
    canvas: int = flag(16, "side of the canvas; each image at a random position", low=8)
    channels: int = flag(
        16, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(128, "width of the fully connected layer", low=1)
    learning_rate: float = flag(5e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds: two rounds of the five folds", low=1)
    epochs: float = flag(60.0, "maximum number of passes over the training data", low=0)


def rule(batch, devices, sooner_by_batch, sooner_by_devices, same):
    """Supported if examples a second are more with 256 an update than with 16 and with
    two devices than with one, 75 % is reached sooner with two devices than with one
    (Holm, 0.05), and the loss after an epoch is the same on two devices as on one
    within 0.001; if not, refuted if examples a second are less than 1.1 times as many
    in one of the two forms (simultaneous intervals); else undecided. Whether larger
    batches reach 75 % sooner is reported, and decides nothing.
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
    """The digits, each anywhere on a larger square; times do not depend on folds."""
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
    """A run of a seed: learns until the target, then times as many updates again.

    The second pass has no evaluation, so that its time is that of updates alone. On CPU
    a device is one core: by itself XLA gives one device all of them.
    """
    import math

    import jax

    from dljax.errors import UserError
    from dljax.training.programs import make_program

    devices = jax.devices()[: config.devices]
    if len(devices) < config.devices:
        raise UserError(
            "too-few-devices", f"--devices={config.devices}: there are {len(devices)}"
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
      the number of updates, the loss after the first epoch, the validation accuracy.
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
    """Inside, all threads of this process run on so many cores (on CPU, on Linux)."""
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
