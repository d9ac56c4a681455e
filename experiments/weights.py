"""Does a network depend most on its largest weights?

Claim: "A weight is the strength of a connection between two neurons."

If a weight is the strength of a connection, a network hardly depends on its small
weights, and depends most on its large ones. After training, a share of 10 to 95 % of
the weights of each layer is set to 0, without any retraining: the smallest weights by
absolute value, random ones, or the largest. The mean test accuracy over eight shares
decides, in an MLP and in a CNN. The images are the digits, each at a random position on
a canvas of 12x12 pixels. A first rule looked at a share of 50 % alone, where random
pruning leaves little more than chance; it was undecided, and was replaced by this rule.

    python -m experiments.weights  # about a minute
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Profile, Study

PERCENTS = (10, 20, 30, 50, 70, 80, 90, 95)
ORDERS = ("smallest", "random", "largest")
NETWORKS = ("mlp", "cnn")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag("mlp", "network", choices=NETWORKS)
    canvas: int = flag(12, "side of the canvas; each image at a random position", low=8)
    hidden: int = flag(64, "width of a hidden layer", low=1)
    channels: int = flag(
        8, "channels of the first convolution; doubled in the next", low=1
    )
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(40.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(**contrasts):
    """Supported if in both networks the accuracy, averaged over all shares of pruned
    weights, is higher after pruning the smallest weights than random ones, and higher
    after pruning random weights than the largest (Holm-adjusted tests at 0.05); if not,
    refuted if one of these differences is below 0 (Holm-adjusted tests at 0.05) or
    equivalent to 0 within 3 percentage points (two one-sided tests); else undecided.
    """
    if all(c.above(0) for c in contrasts.values()):
        return "supported"
    if any(c.below(0) or c.within(0.03) for c in contrasts.values()):
        return "refuted"
    return "undecided"


STUDY = Study(
    claim="A weight is the strength of a connection between two neurons.",
    family="building blocks",
    factors={"network": NETWORKS},
    primary_metric="accuracy",
    contrasts={
        f"{network}_{more}_over_{less}": (
            f"{network}@{more}_mean",
            f"{network}@{less}_mean",
        )
        for network in NETWORKS
        for more, less in (("smallest", "random"), ("random", "largest"))
    },
    rule=rule,
    profiles=[
        Profile(
            y="accuracy",
            x=f"percent of weights set to 0, {order}",
            points={
                "accuracy": 0,
                **{f"{order}_{percent}": percent for percent in PERCENTS},
            },
        )
        for order in ORDERS
    ],
    smoke={"steps": 3, "seeds": 2, "hidden": 4, "channels": 2},
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """Images, each at a random position on a larger canvas."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.canvas)


def task(config, source, numbers):
    """Classification, with a probe of the accuracy after pruning."""
    import jax
    import jax.numpy as jnp

    from dljax.interpret.prune import prune
    from dljax.models.cnn import cnn
    from dljax.models.mlp import mlp
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    example, outputs = image_example(source)

    if config.network == "mlp":
        net = mlp((config.hidden, config.hidden), outputs)
    else:
        net = cnn((config.channels, 2 * config.channels), config.hidden, outputs)
    base = classification(net, adamw(config.learning_rate), example=example)
    fractions = jnp.array(PERCENTS) / 100

    def final_metrics(params, model_state, batch, key):
        accuracies: dict = {}
        for i, by in enumerate(ORDERS):
            prune_key = jax.random.fold_in(key, i)

            def accuracy(fraction, by=by, prune_key=prune_key):
                pruned = prune(params, fraction, by=by, key=prune_key)
                return base.metrics(pruned, model_state, batch, key)["accuracy"]

            sums, counts = jax.lax.map(accuracy, fractions)
            accuracies |= {
                f"{by}_{percent}": (sums[j], counts[j])
                for j, percent in enumerate(PERCENTS)
            }
            accuracies[f"{by}_mean"] = sums.sum(), counts.sum()
        return accuracies

    return base._replace(final_metrics=final_metrics)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
