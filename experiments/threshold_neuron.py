"""Which logic gates can a single neuron compute?

Claim: "A neuron fires past a threshold; layers of them compute what one cannot."

A neuron that outputs 1 where a weighted sum exceeds a threshold separates its inputs by
a hyperplane. AND and OR of two bits can be separated in this way. XOR cannot: a
hyperplane is right on at most three of the four rows of its truth table (Minsky and
Papert 1969). A bit is here an image of a handwritten zero or one, and an input is two
images side by side. A single neuron, trained by the perceptron rule, and a network with
one hidden layer learn each gate. The test accuracy decides.

    python -m experiments.threshold_neuron  # half a minute
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag("neuron", "network", choices=("neuron", "hidden_layer"))
    gate: str = flag("and", "logic gate of the two bits", choices=("and", "or", "xor"))
    hidden: int = flag(32, "width of the hidden layer", low=1)
    learning_rate: float = flag(
        3e-3, "Adam's learning rate; `hidden_layer` only", low=0
    )
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(30.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(and_over_xor, or_over_xor, layer_over_neuron, layer_like_and):
    """Supported if one neuron has a higher accuracy on AND and on OR than on XOR, and a
    hidden layer a higher one on XOR than one neuron, each by more than 15 percentage
    points (simultaneous intervals), and the hidden layer on XOR is equivalent to one
    neuron on AND within 5 percentage points (two one-sided tests); refuted if one of
    the three differences is below 15 percentage points (simultaneous intervals); else
    undecided.
    """
    large = (and_over_xor, or_over_xor, layer_over_neuron)
    if all(c.above(0.15) for c in large) and layer_like_and.within(0.05):
        return "supported"
    if any(c.below(0.15) for c in large):
        return "refuted"
    return "undecided"


STUDY = Study(
    claim="A neuron fires past a threshold; layers of them compute what one cannot.",
    family="building blocks",
    factors={"network": ("neuron", "hidden_layer"), "gate": ("and", "or", "xor")},
    primary_metric="accuracy",
    contrasts={
        "and_over_xor": ("neuron/and", "neuron/xor"),
        "or_over_xor": ("neuron/or", "neuron/xor"),
        "layer_over_neuron": ("hidden_layer/xor", "neuron/xor"),
        "layer_like_and": ("hidden_layer/xor", "neuron/and"),
    },
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "hidden": 2},
    default_is_full={
        "digits": "that no hyperplane separates XOR is a theorem; 2,000 pairs of 360 "
        "images illustrate it"
    },
)


def source(config):
    """Pairs of images of zeros and ones; the label is the output of the gate."""
    from dljax.sources.loading import load_source
    from dljax.sources.logic_gates import digit_pairs

    return digit_pairs(load_source(config), config.gate)


def task(config, source, numbers):
    """Perceptron rule for the neuron, hinge loss for the hidden layer."""
    import jax.numpy as jnp

    from dljax.models.mlp import mlp
    from dljax.tasks.threshold import threshold
    from dljax.training.optimizers import adamw, sgd

    example = jnp.zeros((1, 8, 16, 1))
    if config.network == "neuron":
        return threshold(mlp((), 1), sgd(1.0), example=example)
    optimizer = adamw(config.learning_rate)
    return threshold(mlp((config.hidden,), 1), optimizer, example=example, margin=1.0)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
