"""Does a bias help, and does a constant input do the same?

Claim: "A bias shifts a neuron's threshold, as a constant additional input would."

An MLP is trained without biases, with biases, and with an additional input of every
layer that is always 1; each without a hidden layer and with one. A bias and a constant
input are the same function, and their test accuracy has to be equivalent. A bias has to
be better than none in the network without a hidden layer.

    python -m experiments.bias  # digits
    python -m experiments.bias --dataset=mnist --manual_dir=DIR --full
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

BIASES = ("none", "bias", "input")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    bias: str = flag(
        "bias", "bias of every layer; input: a constant input of 1", choices=BIASES
    )
    layers: int = flag(1, "number of hidden layers", low=0)
    hidden: int = flag(64, "width of a hidden layer", low=1)
    learning_rate: float = flag(1e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds", low=1)
    epochs: float = flag(30.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(neuron, deep, neuron_input, deep_input):
    """Supported if a constant input is equivalent to a bias within 0.3 percentage
    points both without a hidden layer and with one (two one-sided tests), and without a
    hidden layer a bias has a higher accuracy than none (Holm-adjusted test at 0.05);
    refuted if constant input and bias differ by more than 0.3 percentage points in one
    of the two networks (simultaneous intervals), or without a hidden layer a bias has a
    lower accuracy than none (Holm-adjusted test at 0.05); else undecided. The gain from
    a bias in the network with a hidden layer is reported and decides nothing.
    """
    del deep
    same = (neuron_input, deep_input)
    if all(c.within(0.003) for c in same) and neuron.above(0):
        return "supported"
    differs = any(c.above(0.003) or c.below(-0.003) for c in same)
    return "refuted" if differs or neuron.below(0) else "undecided"


STUDY = Study(
    claim="A bias shifts a neuron's threshold, as a constant additional input would.",
    family="building blocks",
    factors={"layers": (0, 1), "bias": BIASES},
    primary_metric="accuracy",
    contrasts={
        "neuron": ("0/bias", "0/none"),
        "deep": ("1/bias", "1/none"),
        "neuron_input": ("0/input", "0/bias"),
        "deep_input": ("1/input", "1/bias"),
    },
    rule=rule,
    sizes={"mnist": {"epochs": 1.0, "seeds": 3, "batch_size": 128, "hidden": 128}},
    full={"mnist": {"epochs": 5.0, "seeds": 10}},
    smoke={"steps": 3, "seeds": 2, "hidden": 4},
)


def source(config):
    """Images of the data set."""
    from dljax.sources.loading import load_source

    return load_source(config)


def task(config, source, numbers):
    """Classification by an MLP with `layers` hidden layers."""
    from dljax.models.mlp import mlp
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    example, outputs = image_example(source)
    net = mlp((config.hidden,) * config.layers, outputs, bias=config.bias)
    return classification(net, adamw(config.learning_rate), example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
