"""How much accuracy does a CNN lose when its images change a little?

Claim: "CNNs are sensitive to small changes of their input."

A CNN, an MLP and a linear classifier are trained on the same images and tested on
corrupted ones: six kinds of corruption at five severities (shift, rotation, noise,
blur, contrast, occlusion), and adversarial images in which a pixel differs by at most
epsilon, from one step (FGSM) and from twenty (PGD). The rule looks at the loss of the
CNN at the second severity and at PGD with epsilon 0.1, and compares it with that of the
MLP. The images are the digits, each in the centre of a canvas of 12x12 pixels.

    python -m experiments.cnn_sensitivity  # about a minute
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Profile, Study

NETWORKS = ("cnn", "mlp", "linear")
KINDS = ("shift", "rotation", "noise", "blur", "contrast", "occlusion", "fgsm", "pgd")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag("cnn", "network", choices=NETWORKS)
    canvas: int = flag(12, "side of the canvas; each image in its centre", low=8)
    channels: int = flag(
        8, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(64, "width of the fully connected layer", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(40.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(corrupted, attacked, corrupted_more_than_mlp, attacked_more_than_mlp):
    """Supported if the CNN loses more than 10 percentage points of accuracy to
    corruptions at the second of five severities (mean of the six kinds) and more than
    20 to PGD with epsilon 0.1 (simultaneous intervals), and loses more than the MLP to
    at least one of the two (Holm-adjusted tests at 0.05); refuted if it loses less than
    10 percentage points to the corruptions or less than 20 to PGD (simultaneous
    intervals), or loses less than the MLP to both (Holm-adjusted tests at 0.05); else
    undecided.
    """
    more = (corrupted_more_than_mlp, attacked_more_than_mlp)
    loses_much = corrupted.above(0.1) and attacked.above(0.2)
    if loses_much and any(c.above(0) for c in more):
        return "supported"
    loses_little = corrupted.below(0.1) or attacked.below(0.2)
    return "refuted" if loses_little or all(c.below(0) for c in more) else "undecided"


STUDY = Study(
    claim="CNNs are sensitive to small changes of their input.",
    family="convolutional",
    factors={"network": NETWORKS},
    primary_metric="accuracy",
    contrasts={
        "corrupted": ("cnn", "cnn@corrupted_2"),
        "attacked": ("cnn", "cnn@pgd_3"),
        "corrupted_more_than_mlp": ("cnn - cnn@corrupted_2", "mlp - mlp@corrupted_2"),
        "attacked_more_than_mlp": ("cnn - cnn@pgd_3", "mlp - mlp@pgd_3"),
    },
    rule=rule,
    profiles=[
        Profile(
            y="accuracy",
            x=f"severity of {kind}",
            points={
                "accuracy": 0,
                **{f"{kind}_{level}": level for level in range(1, 6)},
            },
        )
        for kind in KINDS
    ],
    smoke={"steps": 3, "seeds": 2, "channels": 2, "hidden": 4},
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """Images, each in the centre of a larger canvas, so that shifts keep the digit."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas

    return on_canvas(load_source(config), config.canvas, centred=True)


def task(config, source, numbers):
    """Classification, with a probe of the accuracy under corruption and attack."""
    from dljax.interpret.sensitivity import sensitivity_metrics
    from dljax.models.cnn import cnn
    from dljax.models.mlp import mlp
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    example, outputs = image_example(source)

    if config.network == "cnn":
        net = cnn((config.channels, 2 * config.channels), config.hidden, outputs)
    else:
        net = mlp((config.hidden,) if config.network == "mlp" else (), outputs)
    base = classification(net, adamw(config.learning_rate), example=example)
    return base._replace(final_metrics=sensitivity_metrics(net, side=config.canvas))


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
