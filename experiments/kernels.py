"""Do a CNN's kernels need a spatial extent, and do they need training?

Claim: "A CNN's kernels learn local patterns."

A CNN is trained with kernels of 1x1, 3x3, 5x5 and 7x7 pixels. The kernels are trained
together with the other layers, or keep their random initial values. If the patterns are
local, kernels of 3x3 pixels have a higher test accuracy than kernels of one pixel. If
they are learned, trained kernels have a higher one than random kernels. The learning
rate of every variant is tuned on validation data. The images are the digits, each at a
random position on a canvas of 12x12 pixels.

    python -m experiments.kernels  # 2 minutes on 2 cores
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
        "learned",
        "trained kernels, or random ones that are not trained",
        choices=("learned", "random"),
    )
    kernel_size: int = flag(3, "side of a kernel in pixels", low=1, formerly="size")
    canvas: int = flag(12, "side of the canvas; each image at a random position", low=8)
    channels: int = flag(
        8, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(64, "width of the fully connected layer", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(40.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(local, learned):
    """Supported if trained kernels of 3x3 pixels have a higher accuracy than trained
    kernels of 1x1 and than random kernels of 3x3 (Holm-adjusted tests at 0.05); if not,
    refuted if one of these differences is below 0 (Holm-adjusted tests at 0.05) or
    equivalent to 0 within 3 percentage points (two one-sided tests); else undecided.
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
    """Images, each at a random position on a larger canvas."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.canvas)


def task(config, source, numbers):
    """Classification by a CNN whose kernels are trained or frozen."""
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
