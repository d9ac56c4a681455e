"""What is a bias good for, and is it an input that is always 1?

Claim: "A bias shifts a neuron's threshold, as a constant additional input would."

A feed-forward net without biases, with them, and with one more input of every layer
that is always 1. The last two have to be the same; if a bias helps, it beats none.

    python -m experiments.bias --dataset=mnist --manual_dir=DIR --full

MNIST, --full (5 epochs, 10 seeds), one and a half minutes on 2 x86-64 cores: supported,
and of little use. Test accuracy with 95 % intervals, without a hidden layer: no bias
92.07 % (92.01 to 92.12), bias 92.17 % (92.13 to 92.21), as an input 92.17; with one of
128: 97.07, 97.06 and 97.05 %. Simultaneous intervals, in points: bias over none +0.11
(+0.06 to +0.15) without a hidden layer, -0.01 (-0.08 to +0.07) with one; as an input
over bias 0.00 and -0.01 (-0.03 to +0.02). With ReLUs and a margin of black pixels a
bias is close to superfluous.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

BIASES = ("none", "bias", "input")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    bias: str = flag("bias", "form of every layer's bias", choices=BIASES)
    layers: int = flag(1, "number of hidden layers", low=0)
    hidden: int = flag(64, "width of a hidden layer", low=1)
    learning_rate: float = flag(1e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds", low=1)
    epochs: float = flag(30.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples in a batch", low=1)


def rule(neuron, deep, neuron_input, deep_input):
    """Supported if without hidden layers and with one a constant additional input is
    equivalent to a bias within 0.3 points, and without hidden layers a bias is better
    than none (Holm, 0.05); refuted if one of the first differs by more than 0.3 points
    (simultaneous intervals), or a bias is worse than none there; else undecided. What a
    bias adds to a hidden layer is reported, and decides nothing.
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
    """The images."""
    from dljax.sources.loading import load_source

    return load_source(config)


def task(config, source, numbers):
    """Classification by a linear layer, or by one hidden layer and one more."""
    from dljax.models.mlp import mlp
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    example, outputs = image_example(source)
    net = mlp((config.hidden,) * config.layers, outputs, bias=config.bias)
    return classification(net, adamw(config.learning_rate), example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
