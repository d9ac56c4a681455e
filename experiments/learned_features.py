r"""Are learned features better than features that people specify?

Claim: "Networks learn features by themselves, better than people specify them."

A linear classifier is trained on four kinds of features: the pixels, histograms of
oriented gradients (HOG), the last hidden layer of an untrained CNN, and that of a CNN
which is trained. Each is trained on 5 %, 20 % and all of the training images. The test
accuracy with all images decides; with 5 % of them it is reported. The digits are too
easy to tell the features apart.

    python -m experiments.learned_features  # digits
    python -m experiments.learned_features --full \
        --dataset=image_folder --manual_dir=DIR

DIR has JPEG files of CIFAR-10's images in DIR/train/CLASS and DIR/test/CLASS.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

FEATURES = ("raw", "hog", "untrained", "trained")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    features: str = flag(
        "raw", "features that the linear classifier reads", choices=FEATURES
    )
    train_fraction: float = flag(
        1.0, "fraction of the training images", low=0, below=1.0001, formerly="share"
    )
    channels: int = flag(8, "channels of the first convolution", low=1)
    stages: int = flag(2, "number of convolutions; each doubles the channels", low=1)
    hidden: int = flag(64, "width of the last hidden layer", low=1)
    learning_rate: float = flag(
        2e-3, "Adam's peak learning rate for the network", low=0
    )
    probe_rate: float = flag(
        1e-2, "Adam's peak learning rate for the linear classifier", low=0
    )
    seeds: int = flag(10, "number of seeds", low=1)
    steps: int = flag(1000, "number of updates", low=1)
    batch_size: int = flag(32, "examples per batch", low=1)


def rule(specified_many, untrained_many, specified_few):
    """Supported if with all training images the learned features have a higher accuracy
    than HOG and than the features of an untrained network (Holm-adjusted tests at
    0.05); if not, refuted if the lead over HOG is below 1 percentage point
    (simultaneous interval), or the learned features are worse than those of the
    untrained network (Holm-adjusted test at 0.05); else undecided. The comparison with
    HOG on 5 % of the images is reported and decides nothing.
    """
    del specified_few
    if specified_many.above(0) and untrained_many.above(0):
        return "supported"
    worse = specified_many.below(0.01) or untrained_many.below(0)
    return "refuted" if worse else "undecided"


STUDY = Study(
    claim="Networks learn features by themselves, better than people specify them.",
    family="building blocks",
    factors={"features": FEATURES, "train_fraction": (0.05, 0.2, 1.0)},
    primary_metric="accuracy",
    contrasts={
        "specified_many": ("trained/1.0", "hog/1.0"),
        "untrained_many": ("trained/1.0", "untrained/1.0"),
        "specified_few": ("trained/0.05", "hog/0.05"),
    },
    rule=rule,
    sizes={
        "image_folder": {
            "resize": 32,
            "channels": 16,
            "stages": 3,
            "hidden": 128,
            "steps": 300,
            "batch_size": 64,
            "seeds": 2,
        }
    },
    full={"image_folder": {"steps": 1500, "seeds": 8}},
    smoke={
        "steps": 3,
        "seeds": 2,
        "channels": 2,
        "hidden": 4,
        "train_fraction": (1.0,),
    },
)


def source(config):
    """A fraction of the images, as pixels or as HOG features."""
    from dljax.sources.features import with_features
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import subset

    images = load_source(config)
    train_size = len(images.split(config.seed)["train"])
    if config.features == "hog":
        images = with_features(images, "hog")
    return subset(images, round(config.train_fraction * train_size))


def task(config, source, numbers):
    """A linear probe of the features, beside a network that is trained or not."""
    import jax.numpy as jnp

    from dljax.models.cnn import cnn
    from dljax.models.mlp import mlp
    from dljax.sources.resident import updates
    from dljax.tasks.probing import probing
    from dljax.training.optimizers import adamw, warmup_cosine

    shape = source.arrays["image"].shape[1:]
    outputs = len(source.classes)
    steps = updates(config, source)
    if config.features in ("raw", "hog"):
        net, layer = mlp((), outputs), "0_input"
    else:
        channels = [config.channels * 2**i for i in range(config.stages)]
        net = cnn(tuple(channels), config.hidden, outputs)
        layer = f"{config.stages + 1}_before_Dense_1"
    base = probing(
        net,
        adamw(warmup_cosine(config.learning_rate, steps, warmup=steps // 20)),
        example=jnp.zeros((1, *shape)),
        outputs=outputs,
        probes=adamw(warmup_cosine(config.probe_rate, steps, warmup=steps // 20)),
        train_net=config.features == "trained",
    )

    def metrics(params, model_state, batch, key):
        accuracies = base.metrics(params, model_state, batch, key)
        return {"accuracy": accuracies[f"accuracy_{layer}"]}

    return base._replace(metrics=metrics)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
