"""Does each layer find patterns further than the one before?

Claim: "Each layer finds patterns further than the one before."

Beside a CNN, while it learns, a linear classifier learns from what each of its layers
is given, without changing it (Alain and Bengio 2017). If layers go further, each can be
read better than the one before; and if that is learned, better than in a net that stays
as it was drawn.

    python -m experiments.layer_probes

Digits, each anywhere on a square of 12x12 pixels, 10 seeds over five folds, under a
minute on 2 x86-64 cores: undecided. Both convolutions go further, and that is learned;
what the fully connected layer adds is no more than 2.7 points, if anything. Test
accuracy of the linear classifier on the image, after the first convolution, the second,
and the fully connected layer: 33.2, 77.1, 90.9 and 91.2 % in the trained net, 33.2,
71.7, 72.5 and 52.0 % in the untrained one. Simultaneous intervals, in points: the steps
+44.0 (+36.7 to +51.2), +13.8 (+9.2 to +18.4) and +0.3 (-2.2 to +2.7), trained over
untrained at the last +39.2 (+31.2 to +47.2).
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Profile, Study

PLACES = ("input", "before_Conv_1", "before_Dense_0", "before_Dense_1")
LAYERS = [f"accuracy_{i}_{place}" for i, place in enumerate(PLACES)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag(
        "trained",
        "trained or untrained network",
        choices=("trained", "untrained"),
        formerly="net",
    )
    canvas: int = flag(12, "side of the canvas; each image at a random position", low=8)
    channels: int = flag(
        8, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(64, "width of the fully connected layer", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate, network", low=0)
    probe_rate: float = flag(3e-2, "Adam's learning rate, linear classifiers", low=0)
    seeds: int = flag(10, "number of seeds: two rounds of the five folds", low=1)
    epochs: float = flag(60.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples in a batch", low=1)


def rule(first, second, third, learned):
    """Supported if each layer of the trained net can be read better than what it was
    given, from the image to the last hidden layer, and the last better than in an
    untrained net (Holm, 0.05); if not, refuted if one can be read worse than what it
    was given, or the last not better than untrained by more than 3 points; else
    undecided.
    """
    steps = (first, second, third)
    if all(c.above(0) for c in (*steps, learned)):
        return "supported"
    worse = any(c.below(0) for c in steps)
    return "refuted" if worse or learned.below(0.03) else "undecided"


STUDY = Study(
    claim="Each layer finds patterns further than the one before.",
    family="convolutional",
    factors={"network": ("trained", "untrained")},
    primary_metric=LAYERS[-1],
    contrasts={
        "first": (f"trained@{LAYERS[1]}", f"trained@{LAYERS[0]}"),
        "second": (f"trained@{LAYERS[2]}", f"trained@{LAYERS[1]}"),
        "third": (f"trained@{LAYERS[3]}", f"trained@{LAYERS[2]}"),
        "learned": (f"trained@{LAYERS[3]}", f"untrained@{LAYERS[3]}"),
    },
    rule=rule,
    profiles=[
        Profile(
            y="accuracy",
            x="layers before the linear classifier",
            points={name: i for i, name in enumerate(LAYERS)},
        )
    ],
    smoke={"steps": 3, "seeds": 2, "channels": 2, "hidden": 4},
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """The digits, each anywhere on a larger square."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.canvas)


def task(config, source, numbers):
    """Classification by a CNN, and by a linear classifier from each of its layers."""
    from dljax.models.cnn import cnn
    from dljax.sources.examples import image_example
    from dljax.tasks.probing import probing
    from dljax.training.optimizers import adamw

    example, outputs = image_example(source)

    return probing(
        cnn((config.channels, 2 * config.channels), config.hidden, outputs),
        adamw(config.learning_rate),
        example=example,
        outputs=outputs,
        probes=adamw(config.probe_rate),
        train_net=config.network == "trained",
    )


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
