"""How much computation does a CNN need?

Claim: "CNNs are limited by computation."

A CNN is compared with an MLP that has as many parameters, on images of 8, 16 and 32
pixels per side; the CNN also has 8, 16 and 32 channels. The time of a training step is
measured in rounds, in each of which every variant is timed once. The floating-point
operations and the activations of a forward pass are counted per example. All are
logarithms to base 2: a difference of 1 is a factor of 2. A first measurement, in rounds
of 20 updates instead of 200, was too noisy for a verdict.

    python -m experiments.cnn_computation  # about a minute
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import TIMES
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag("cnn", "network", choices=("cnn", "mlp"))
    side: int = flag(16, "side of an image in pixels", low=8)
    channels: int = flag(
        16, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(64, "width of the CNN's fully connected layer", low=1)
    seeds: int = flag(10, "number of rounds", low=1)
    batch_size: int = flag(64, "examples per batch", low=1)
    steps: int = flag(200, "updates per round", low=1)


def rule(time, operations, by_side, by_channels):
    """Supported if on images of 16x16 pixels a training step of the CNN takes more than
    twice the time of a step of the MLP with as many parameters, and the CNN more than
    twice the operations, and if the time of a step more than doubles both with twice
    the side and with twice the channels (simultaneous intervals); refuted if a step of
    the CNN takes less than twice the MLP's time (simultaneous interval); else
    undecided.
    """
    if time.below(1):
        return "refuted"
    costly = time.above(1) and operations.above(1)
    grows = by_side.above(1) and by_channels.above(1)
    return "supported" if costly and grows else "undecided"


STUDY = Study(
    claim="CNNs are limited by computation.",
    family="convolutional",
    factors={
        "network": ("cnn", "mlp"),
        "side": (8, 16, 32),
        "channels": (8, 16, 32),
    },
    design=[
        *({"network": "cnn", "side": s, "channels": 16} for s in (8, 16, 32)),
        *({"network": "cnn", "side": 16, "channels": c} for c in (8, 32)),
        *({"network": "mlp", "side": s, "channels": 16} for s in (8, 16, 32)),
    ],
    primary_metric="log2_step_us",
    higher=False,
    contrasts={
        "time": ("cnn/16/16", "mlp/16/16"),
        "operations": ("cnn/16/16@log2_flop", "mlp/16/16@log2_flop"),
        "by_side": ("cnn/32/16", "cnn/16/16"),
        "by_channels": ("cnn/16/32", "cnn/16/16"),
    },
    rule=rule,
    smoke={"steps": 2, "seeds": 2, "hidden": 4, "batch_size": 8, "side": (16,)},
    default_is_full={"digits": TIMES},
)


def source(config):
    """Images on a canvas of the given side; times do not depend on folds."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.side)._replace(test_train_ratio=0.0)


def network(config, source):
    """The network, and an example. The MLP has about as many parameters as the CNN."""
    from dljax.models.cnn import cnn, cnn_parameters
    from dljax.models.mlp import mlp, width_for
    from dljax.sources.examples import image_example

    example, outputs = image_example(source)
    channels = (config.channels, 2 * config.channels)
    if config.network == "cnn":
        return cnn(channels, config.hidden, outputs), example
    _, *image = example.shape
    size = cnn_parameters(image, channels, config.hidden, outputs)
    width = width_for(size, inputs=example.size, outputs=outputs)
    return mlp((width,), outputs), example


def task(config, source, numbers):
    """Classification."""
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    net, example = network(config, source)
    return classification(net, adamw(1e-3), example=example)


def measure(config, task, source):
    """A function that times one round, and adds the constant costs of the network."""
    import math
    import time

    import jax

    from dljax.training.cost import forward_cost
    from dljax.training.programs import make_program

    program = make_program(
        task, source, [0], strategy="map", batch_size=config.batch_size
    )
    cost = forward_cost(*network(config, source))
    state = program.init()
    orders = program.shuffle(state, 0)
    state, _ = program.train_steps(state, orders, 0, 1)

    def time_round(seed):
        del seed  # the number of the round; weights do not change the time
        nonlocal state
        jax.block_until_ready(state)
        start = time.perf_counter()
        state, _ = program.train_steps(state, orders, 0, config.steps)
        jax.block_until_ready(state)
        secs = (time.perf_counter() - start) / config.steps
        return {
            "log2_step_us": math.log2(1e6 * secs),
            "log2_flop": math.log2(cost.flops),
            "log2_activations": math.log2(cost.activations),
            "parameters": cost.parameters,
        }

    return time_round


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
