"""Does pooling reduce the computation, and does it lose information?

Claim: "Pooling reduces computation without loss of information."

A CNN has max pooling, average pooling, strided convolutions, or none of these. Their
cost is counted in floating-point operations and in activations. The information is
measured by linear probes, which are trained beside the network and do not change it: at
each layer they predict the position of the digit on the canvas, or its pixels. The rule
compares max pooling with no pooling, after the first convolution. The accuracy of the
network is reported, and decides nothing, since information can be lost without a loss
of accuracy. The images are the digits, each at a random position on a canvas of 12x12
pixels.

    python -m experiments.pooling  # 3 minutes on 2 cores
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Study

POOLS = ("none", "max", "average", "stride")
AFTER = "1_before_Conv_1"  # after the first convolution, ReLU and pooling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    pool: str = flag("max", "pooling after each convolution", choices=POOLS)
    probe_target: str = flag(
        "place",
        "target of the linear probes: position or pixels",
        choices=("place", "image"),
        formerly="decoded",
    )
    canvas: int = flag(12, "side of the canvas; each image at a random position", low=8)
    channels: int = flag(
        8, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(64, "width of the fully connected layer", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate for the network", low=0)
    probe_rate: float = flag(1e-2, "Adam's learning rate for the linear probes", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(40.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(operations, accuracy, place, image):
    """Supported if the CNN without pooling takes more than twice the operations of the
    CNN with max pooling (simultaneous interval), and after max pooling the probes of
    position and of image are equivalent to those without pooling, within 3 percentage
    points of accuracy and within 0.03 of R^2 (two one-sided tests); refuted if it takes
    less than twice the operations, or max pooling lowers the accuracy or the R^2 of a
    probe by more than these margins (simultaneous intervals); else undecided. The
    accuracy of the network is reported and decides nothing.
    """
    del accuracy
    losses = (place, image)
    if operations.above(1) and all(c.within(0.03) for c in losses):
        return "supported"
    lost = any(c.below(-0.03) for c in losses)
    return "refuted" if lost or operations.below(1) else "undecided"


STUDY = Study(
    claim="Pooling reduces computation without loss of information.",
    family="convolutional",
    factors={"pool": POOLS, "probe_target": ("place", "image")},
    primary_metric="accuracy",
    contrasts={
        "operations": ("none/place@log2_flop", "max/place@log2_flop"),
        "accuracy": ("max/place", "none/place"),
        "place": (f"max/place@accuracy_{AFTER}", f"none/place@accuracy_{AFTER}"),
        "image": (f"max/image@r2_{AFTER}", f"none/image@r2_{AFTER}"),
    },
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "channels": 2, "hidden": 4, "pool": ("max",)},
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """Images, each at a random position on a larger canvas; "place" is the position."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.canvas)


def task(config, source, numbers):
    """Classification by a CNN, with linear probes of the position or of the pixels."""
    import jax.numpy as jnp

    from dljax.models.cnn import cnn
    from dljax.sources.examples import image_example
    from dljax.tasks.probing import probing
    from dljax.training.cost import forward_cost
    from dljax.training.optimizers import adamw

    example, classes = image_example(source)
    channels = (config.channels, 2 * config.channels)
    net = cnn(channels, config.hidden, classes, pool=config.pool)
    cost = forward_cost(net, example)
    base = probing(
        net,
        adamw(config.learning_rate),
        example=example,
        outputs=int(source.arrays["place"].max()) + 1,
        probes=adamw(config.probe_rate),
        label=config.probe_target,
    )

    def final_metrics(params, model_state, batch, key):
        del params, model_state, key
        count = batch["weight"].sum()
        costs = {"log2_flop": cost.flops, "log2_activations": cost.activations}
        return {k: (jnp.log2(v) * count, count) for k, v in costs.items()}

    return base._replace(final_metrics=final_metrics)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
