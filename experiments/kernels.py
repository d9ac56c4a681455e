"""What do a CNN's kernels have to be: of which size, and learned?

Claim: "A CNN's kernels learn local patterns."

If the patterns are local, kernels that see a neighbourhood beat those that see one
pixel; if they are learned, kernels that train beat those that stay as they were drawn.

    python -m experiments.kernels

Digits, each anywhere on a square of 12x12 pixels, 10 seeds over five folds, two minutes
on 2 x86-64 cores, tuning included: supported. Test accuracy with 95 % intervals,
learned kernels of 1x1, 3x3, 5x5 and 7x7: 28.4 % (25.2 to 31.5), 92.0 % (88.6 to 95.3),
92.9 % (88.6 to 97.2) and 93.9 % (90.4 to 97.3); random ones: 25.6, 71.3 % (67.0 to
75.5), 75.5 and 70.8 %. Simultaneous intervals, in points: 3x3 over 1x1 +63.6 (+57.6 to
+69.7), learned over random +20.7 (+14.4 to +27.0).
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    kernels: str = flag(
        "learned", "learned or random kernels", choices=("learned", "random")
    )
    kernel_size: int = flag(3, "side of a kernel", low=1, formerly="size")
    canvas: int = flag(12, "side of the canvas; each image at a random position", low=8)
    channels: int = flag(
        8, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(64, "width of the fully connected layer", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds: two rounds of the five folds", low=1)
    epochs: float = flag(40.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples in a batch", low=1)


def rule(local, learned):
    """Supported if kernels of 3x3 are better than those of 1x1, and learned ones of 3x3
    better than random ones (Holm, 0.05); if not, refuted if one of the two is worse, or
    within 3 points of the other; else undecided.
    """
    if local.above(0) and learned.above(0):
        return "supported"
    if any(c.below(0) or c.within(0.03) for c in (local, learned)):
        return "refuted"
    return "undecided"


STUDY = Study(
    claim="A CNN's kernels learn local patterns.",
    family="convolutional",
    factors={"kernels": ("learned", "random"), "kernel_size": (1, 3, 5, 7)},
    vmapped_factors=("learning_rate",),
    tune={"learning_rate": (1e-3, 3e-3, 1e-2)},
    primary_metric="accuracy",
    contrasts={
        "local": ("learned/3", "learned/1"),
        "learned": ("learned/3", "random/3"),
    },
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "channels": 2, "hidden": 4, "kernel_size": (1, 3)},
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """The digits, each anywhere on a larger square."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.canvas)


def task(config, source, numbers):
    """Classification by a CNN whose kernels learn, or stay as they were drawn."""
    from dljax.models.cnn import cnn
    from dljax.models.net import freeze
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    learning_rate = numbers.get("learning_rate", config.learning_rate)
    example, outputs = image_example(source)

    channels = (config.channels, 2 * config.channels)
    net = cnn(channels, config.hidden, outputs, size=config.kernel_size)
    if config.kernels == "random":
        net = freeze(net, prefix="Conv")
    return classification(net, adamw(learning_rate), example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
