"""Does a CNN fit its training images better than new ones, and what helps?

Claim: "CNNs overfit where data are few."

A CNN learns from 100, 300 or all 1,077 training images, with the same number of
updates, and is tested on them and on others. With it each of three remedies: dropout,
weight decay, and augmentation (every image is shifted and turned a little, differently
each time). An MLP stands beside it, since a limit of all networks is none of CNNs.

    python -m experiments.cnn_overfitting

Digits, each anywhere on a square of 12x12 pixels, 10 seeds over five folds, two
minutes on 2 x86-64 cores: supported; but it is no limit of CNNs in particular. The CNN
is right on all it was trained on. Test accuracy with 100, 300 and 1,077 training
images: 48.0 % (46.3 to 49.6), 75.3 % (71.3 to 79.2) and 90.1 % (87.9 to 92.4), with
augmentation 83.1, 90.0 and 91.7 %, dropout 51.6, 78.6 and 91.2 %, weight decay 49.3,
78.4 and 90.4 %; the MLP 30.0, 48.6 and 78.2 %. Simultaneous intervals, in points: the
gap at 100 images 52.0 (49.6 to 54.5), less with 1,077 by 42.2 (39.8 to 44.6), and 18.0
(14.6 to 21.4) smaller than the MLP's; what remedies add at 100: augmentation +35.1
(+28.3 to +42.0), dropout +3.7 (-4.0 to +11.3), weight decay +1.3 (-5.7 to +8.3).
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
        "none", "regularisation", choices=REMEDIES, formerly="remedy"
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
    seeds: int = flag(10, "number of seeds: two rounds of the five folds", low=1)
    steps: int = flag(2000, "updates", low=1)
    batch_size: int = flag(16, "examples in a batch", low=1)


def rule(gap, less_with_data, cnn_over_mlp, dropout, weight_decay, augmentation):
    """Supported if with 100 training images a CNN is better on them than on new ones by
    more than 5 points, and by less with 1,077 (simultaneous intervals; Holm, 0.05);
    refuted if with 100 it is by less than 5 points, or by more with 1,077 than with
    100. Whether an MLP's gap is smaller and which remedy helps is reported, and decides
    nothing.
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
    """Few of the digits, each anywhere on a larger square; measured on them too."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas, subset, with_train_eval

    return with_train_eval(
        subset(on_canvas(load_source(config), config.canvas), config.train_examples)
    )


def task(config, source, numbers):
    """Classification with one remedy, or none."""
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
