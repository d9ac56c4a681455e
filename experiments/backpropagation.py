"""What does backpropagation add to training the output layer alone?

Claim: "Backpropagation lets hidden layers learn, by sending the error back."

An MLP with two hidden layers is trained with the gradient of one of five methods:

    backprop    `jax.grad`
    by_hand     the backward pass written out: the same gradient
    difference  finite differences, one weight at a time: the same gradient from 2,964
                forward passes per update, without any error sent back
    alignment   feedback alignment: the error is sent back through fixed random weights
                (Lillicrap et al. 2016)
    last_layer  the gradient of the output layer; the hidden layers keep their initial
                weights

The rule compares the test accuracy of `backprop` with that of `last_layer`, and demands
equivalence with `by_hand` and `difference`. Feedback alignment is reported, and decides
nothing.

    python -m experiments.backpropagation  # a few minutes
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Study

METHODS = ("backprop", "by_hand", "difference", "alignment", "last_layer")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    gradient: str = flag(
        "backprop", "method that computes the gradient", choices=METHODS
    )
    hidden: int = flag(16, "width of each of the two hidden layers", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(40.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(over_last_layer, over_alignment, by_hand, difference):
    """Supported if backpropagation has a higher accuracy than training the last layer
    alone, by more than 5 percentage points (simultaneous interval), and the two other
    computations of the same gradient, by hand and by finite differences, are equivalent
    to it within 3 percentage points (two one-sided tests); refuted if its lead over the
    last layer alone is below 5 percentage points (simultaneous interval); else
    undecided. The comparison with feedback alignment is reported and decides nothing.
    """
    del over_alignment
    if over_last_layer.below(0.05):
        return "refuted"
    same = by_hand.within(0.03) and difference.within(0.03)
    return "supported" if over_last_layer.above(0.05) and same else "undecided"


STUDY = Study(
    claim="Backpropagation lets hidden layers learn, by sending the error back.",
    family="building blocks",
    factors={"gradient": METHODS},
    primary_metric="accuracy",
    contrasts={
        "over_last_layer": ("backprop", "last_layer"),
        "over_alignment": ("backprop", "alignment"),
        "by_hand": ("by_hand", "backprop"),
        "difference": ("difference", "backprop"),
    },
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "hidden": 2},
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """Images of the data set."""
    from dljax.sources.loading import load_source

    return load_source(config)


def task(config, source, numbers):
    """Classification by two hidden layers, with the gradient of the chosen method."""
    import jax
    import jax.numpy as jnp

    from dljax.models.mlp import mlp
    from dljax.sources.examples import image_example
    from dljax.tasks.backprop_variants import (
        finite_differences,
        mlp_gradient,
        with_gradient,
    )
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    example, outputs = image_example(source)
    net = mlp((config.hidden, config.hidden), outputs)
    base = classification(net, adamw(config.learning_rate), example=example)
    (turn,) = base.turns

    def init(key):
        params, model_state = base.init(key)
        if config.gradient == "alignment":
            other, _ = base.init(jax.random.fold_in(key, 1))
            model_state["feedback"] = {k: v["kernel"] for k, v in other["net"].items()}
        return params, model_state

    def gradient(params, model_state, batch, key, step):
        labels = jax.nn.one_hot(batch["label"], outputs)

        def error(logits):  # gradient of the mean cross-entropy
            return (jax.nn.softmax(logits) - labels) / len(labels)

        if config.gradient == "difference":
            return finite_differences(
                lambda net: turn.loss({"net": net}, {}, batch, key, step)[0], params
            )
        grads = mlp_gradient(params, batch["image"], error, model_state.get("feedback"))
        if config.gradient == "last_layer":
            last = next(iter(grads))  # the backward pass starts at the last layer
            return {k: v if k == last else _zeros(v) for k, v in grads.items()}
        return grads

    def _zeros(tree):
        return jax.tree.map(jnp.zeros_like, tree)

    def loss(params, model_state, batch, key, step):
        value, (metrics, _) = turn.loss(params, {}, batch, key, step)
        if config.gradient != "backprop":
            grads = gradient(params["net"], model_state, batch, key, step)
            value = with_gradient(value, params["net"], grads)
        return value, (metrics, model_state)

    return base._replace(init=init, turns=(turn._replace(loss=loss),))


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
