"""Are deeper networks more accurate at an equal number of parameters?

Claim: "More hidden layers let a network learn more complex patterns."

MLPs with 0 to 4 hidden layers are trained. Those with hidden layers have about 20,000
parameters each, so that only the depth differs. The learning rate of every depth is
tuned on validation data. The test accuracy decides, on the digits, each at a random
position on a canvas of 12x12 pixels. Depth may be worth more with more parameters and
more than these 1,077 training images. The margin of 3 percentage points was set after a
look at the results of seeds 100 to 109, which are tested on the same images.

    python -m experiments.depth  # about a minute
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    layers: int = flag(1, "number of hidden layers", low=0)
    parameters: int = flag(
        20_000, "number of parameters of a network with hidden layers", low=100
    )
    canvas: int = flag(12, "side of the canvas; each image at a random position", low=8)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(60.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(one_over_none, two_over_one, three_over_one, four_over_one):
    """Supported if one hidden layer has a higher accuracy than none by more than 5
    percentage points (simultaneous interval), and two, three or four hidden layers have
    a higher accuracy than one (Holm-adjusted tests at 0.05); if not, refuted if one
    hidden layer's lead over none is below 5 percentage points, or the leads of two,
    three and four hidden layers over one are all below 3 percentage points
    (simultaneous intervals); else undecided.
    """
    deeper = (two_over_one, three_over_one, four_over_one)
    if one_over_none.above(0.05) and any(c.above(0) for c in deeper):
        return "supported"
    if one_over_none.below(0.05) or all(c.below(0.03) for c in deeper):
        return "refuted"
    return "undecided"


STUDY = Study(
    claim="More hidden layers let a network learn more complex patterns.",
    family="building blocks",
    factors={"layers": (0, 1, 2, 3, 4)},
    vmapped_factors=("learning_rate",),
    tune={"learning_rate": (1e-3, 3e-3, 1e-2)},
    primary_metric="accuracy",
    contrasts={
        "one_over_none": ("1", "0"),
        "two_over_one": ("2", "1"),
        "three_over_one": ("3", "1"),
        "four_over_one": ("4", "1"),
    },
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "parameters": 500, "layers": (0, 2)},
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """Images, each at a random position on a larger canvas."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.canvas)


def task(config, source, numbers):
    """Classification by an MLP whose hidden layers are equally wide."""
    from dljax.models.mlp import mlp, width_for
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    learning_rate = numbers.get("learning_rate", config.learning_rate)
    example, outputs = image_example(source)

    inputs, layers = example.size, config.layers
    width = width_for(config.parameters, inputs=inputs, outputs=outputs, layers=layers)
    net = mlp((width,) * layers, outputs)
    return classification(net, adamw(learning_rate), example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
