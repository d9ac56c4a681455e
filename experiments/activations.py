"""What is an activation good for, and which?

Claim: "Without an activation, layers are one linear map; with one they learn more."

Two nets, a feed-forward one of two hidden layers and a CNN that pools by averages (a
maximum would be an activation by itself), with each activation in turn: none
(identity), a step past the threshold, whose gradient is 0, so that only the last layer
learns, and four that have one. Every variant has its learning rate tuned.

    python -m experiments.activations

Digits, each anywhere on a square of 12x12 pixels, 10 seeds over five folds, 70 seconds
on 2 x86-64 cores, tuning included: supported. Test accuracy with 95 % intervals, MLP
and CNN: identity 31.8 % (29.6 to 33.9) and 33.3 % (30.8 to 35.8); step 19.2 and 25.1
%; sigmoid 78.8 and 65.9 %; tanh 76.3 and 90.7 %; ReLU 78.8 % (74.3 to 83.4) and 94.2 %
(92.0 to 96.4); GELU 79.8 and 94.3 %. Each of the last four is above the identity by 32
to 61 points; the lowest of the simultaneous intervals, of the CNN with sigmoids, is
+24.0 to +41.2. Whether one of the four is better than another was not asked.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Study

SMOOTH = ("sigmoid", "tanh", "relu", "gelu")
NETWORKS = ("mlp", "cnn")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag("mlp", "network", choices=NETWORKS)
    activation: str = flag(
        "relu",
        "activation after every hidden layer",
        choices=("identity", "step", *SMOOTH),
    )
    canvas: int = flag(12, "side of the canvas; each image at a random position", low=8)
    hidden: int = flag(64, "width of a hidden layer", low=1)
    channels: int = flag(
        8, "channels of the first convolution; doubled in the next", low=1
    )
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds: two rounds of the five folds", low=1)
    epochs: float = flag(40.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples in a batch", low=1)


def rule(**over_identity):
    """Supported if in both networks each of sigmoid, tanh, ReLU and GELU is better than
    the identity (Holm, 0.05); refuted if in one of them none is better; else undecided.
    """
    better = {name: c.above(0) for name, c in over_identity.items()}
    if all(better.values()):
        return "supported"
    for network in ("mlp", "cnn"):
        if not any(yes for name, yes in better.items() if name.startswith(network)):
            return "refuted"
    return "undecided"


STUDY = Study(
    claim="Without an activation, layers are one linear map; with one they learn more.",
    family="building blocks",
    factors={"network": NETWORKS, "activation": ("identity", "step", *SMOOTH)},
    vmapped_factors=("learning_rate",),
    tune={"learning_rate": (1e-3, 3e-3, 1e-2)},
    primary_metric="accuracy",
    contrasts={
        f"{network}_{name}": (f"{network}/{name}", f"{network}/identity")
        for network in NETWORKS
        for name in SMOOTH
    },
    rule=rule,
    smoke={
        "steps": 3,
        "seeds": 2,
        "hidden": 4,
        "channels": 2,
        "activation": ("identity", "relu"),
    },
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """The digits, each anywhere on a larger square."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.canvas)


def task(config, source, numbers):
    """Classification by two hidden layers, or two convolutions and one."""
    from dljax.models.cnn import cnn
    from dljax.models.mlp import mlp
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    learning_rate = numbers.get("learning_rate", config.learning_rate)
    example, outputs = image_example(source)

    act = config.activation
    if config.network == "mlp":
        net = mlp((config.hidden, config.hidden), outputs, activation=act)
    else:
        channels = (config.channels, 2 * config.channels)
        net = cnn(channels, config.hidden, outputs, activation=act, pool="average")
    return classification(net, adamw(learning_rate), example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
