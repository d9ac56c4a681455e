"""Do hidden layers need an activation function?

Claim: "Without an activation, layers are one linear map; with one they learn more."

An MLP with two hidden layers and a CNN are trained with each of six activations: the
identity, a step function, sigmoid, tanh, ReLU and GELU. The step function has a
gradient of 0, so that only the last layer learns. The CNN has average pooling, because
max pooling is nonlinear by itself. The learning rate of every variant is tuned on
validation data. The rule compares the test accuracy of sigmoid, tanh, ReLU and GELU
with that of the identity, in both networks, and not with one another. The images are
the digits, each at a random position on a canvas of 12x12 pixels.

    python -m experiments.activations  # a few minutes
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
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(40.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(**over_identity):
    """Supported if each of sigmoid, tanh, ReLU and GELU has a higher accuracy than the
    identity in both networks (Holm-adjusted tests at 0.05); refuted if in one network
    none of the four has; else undecided.
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
    """Images, each at a random position on a larger canvas."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.canvas)


def task(config, source, numbers):
    """Classification by an MLP of two hidden layers, or by a CNN."""
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
