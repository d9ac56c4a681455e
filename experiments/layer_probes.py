"""Does each layer of a CNN make the classes easier to separate linearly?

Claim: "Each layer finds patterns further than the one before."

A linear classifier is trained on the input of each layer, beside the network and
without changing it (Alain and Bengio 2017). The rule compares the test accuracy at each
layer with that at the layer before, and at the last layer with that of an untrained
network. The images are the digits, each at a random position on a canvas of 12x12
pixels.

    python -m experiments.layer_probes  # about a minute
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
    learning_rate: float = flag(3e-3, "Adam's learning rate for the network", low=0)
    probe_rate: float = flag(
        3e-2, "Adam's learning rate for the linear classifiers", low=0
    )
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(60.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(first, second, third, learned):
    """Supported if the linear probe of each layer of the trained network has a higher
    accuracy than the probe of the layer before, from the image to the last hidden
    layer, and the probe of the last hidden layer a higher one than in an untrained
    network (Holm-adjusted tests at 0.05); if not, refuted if one probe has a lower
    accuracy than the probe of the layer before (the same tests), or the lead of the
    trained network over the untrained one is below 3 percentage points (simultaneous
    interval); else undecided.
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
    """Images, each at a random position on a larger canvas."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.canvas)


def task(config, source, numbers):
    """Classification by a CNN, and by a linear probe of each of its layers."""
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
