"""How much does a CNN overfit few images, and does regularisation help?

Claim: "CNNs overfit where data are few."

A CNN is trained on 100, 300 or all 1,077 training images, with the same number of
updates. The rule looks at the gap between training and test accuracy at 100 images, and
at its decrease to 1,077. Dropout, weight decay and augmentation (random shifts and
rotations) are compared with the plain CNN, and the gap with that of an MLP: these are
reported, and decide nothing. The images are the digits, each at a random position on a
canvas of 12x12 pixels.

    python -m experiments.cnn_overfitting  # 2 minutes on 2 cores
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Study

REMEDIES = ("none", "dropout", "weight_decay", "augmentation")
EXAMPLES = (100, 300, 1077)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag("cnn", "network", choices=("cnn", "mlp"))
    regularization: str = flag(
        "none", "form of regularisation", choices=REMEDIES, formerly="remedy"
    )
    train_examples: int = flag(
        1077, "number of training images", low=10, formerly="examples"
    )
    canvas: int = flag(12, "side of the canvas; each image at a random position", low=8)
    channels: int = flag(
        8, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(64, "width of the fully connected layer", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    steps: int = flag(2000, "number of updates", low=1)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(gap, less_with_data, cnn_over_mlp, dropout, weight_decay, augmentation):
    """Supported if with 100 training images the CNN's gap between training and test
    accuracy is above 5 percentage points (simultaneous interval), and the gap is
    smaller with 1,077 images (Holm-adjusted test at 0.05); refuted if the gap with 100
    images is below 5 percentage points (simultaneous interval), or the gap is larger
    with 1,077 images (Holm-adjusted test at 0.05); else undecided. The difference
    between the gaps of CNN and MLP and the effects of dropout, weight decay and
    augmentation are reported and decide nothing.
    """
    del cnn_over_mlp, dropout, weight_decay, augmentation
    if gap.above(0.05) and less_with_data.above(0):
        return "supported"
    return "refuted" if gap.below(0.05) or less_with_data.below(0) else "undecided"


def _gap(variant):
    return f"{variant}@train_accuracy - {variant}"


STUDY = Study(
    claim="CNNs overfit where data are few.",
    family="convolutional",
    factors={
        "network": ("cnn", "mlp"),
        "regularization": REMEDIES,
        "train_examples": EXAMPLES,
    },
    design=[
        {"network": network, "regularization": remedy, "train_examples": examples}
        for network, remedies in (("cnn", REMEDIES), ("mlp", ("none",)))
        for remedy in remedies
        for examples in EXAMPLES
    ],
    primary_metric="accuracy",
    contrasts={
        "gap": ("cnn/none/100@train_accuracy", "cnn/none/100"),
        "less_with_data": (_gap("cnn/none/100"), _gap("cnn/none/1077")),
        "cnn_over_mlp": (_gap("cnn/none/100"), _gap("mlp/none/100")),
        "dropout": ("cnn/dropout/100", "cnn/none/100"),
        "weight_decay": ("cnn/weight_decay/100", "cnn/none/100"),
        "augmentation": ("cnn/augmentation/100", "cnn/none/100"),
    },
    rule=rule,
    smoke={
        "steps": 3,
        "seeds": 2,
        "channels": 2,
        "hidden": 4,
        "regularization": ("none", "augmentation"),
        "train_examples": (100,),
    },
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """A subset of the images on a larger canvas, with a split "train_eval"."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas, subset, with_train_eval

    return with_train_eval(
        subset(on_canvas(load_source(config), config.canvas), config.train_examples)
    )


def task(config, source, numbers):
    """Classification with one form of regularisation, or none."""
    import functools

    from dljax.models.cnn import cnn
    from dljax.models.mlp import mlp
    from dljax.sources.augment import chain, rotate, shift
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    example, outputs = image_example(source)

    dropout = 0.5 if config.regularization == "dropout" else 0.0
    if config.network == "cnn":
        channels = (config.channels, 2 * config.channels)
        net = cnn(channels, config.hidden, outputs, dropout=dropout)
    else:
        net = mlp((config.hidden,), outputs, dropout=dropout)
    decay = 0.1 if config.regularization == "weight_decay" else 0.0
    moved = chain(
        functools.partial(shift, max_pixels=2),
        functools.partial(rotate, max_degrees=15),
    )
    return classification(
        net,
        adamw(config.learning_rate, weight_decay=decay),
        example=example,
        augment=moved if config.regularization == "augmentation" else None,
    )


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
