"""Does an autoencoder find a better code than PCA?

Claim: "An autoencoder learns to compress images, better than a linear map can."

An encoder maps an image to a short code, and a decoder maps the code to an image. The
best linear autoencoder is PCA, whose error is computed exactly. Autoencoders with
hidden layers (`dense`) and with convolutions (`conv`) can be better. The mean squared
error per pixel on held-out images decides; PCA has as many components, and the same
training images. The learning rate of every variant is tuned on validation data.

    python -m experiments.autoencoder  # digits; 2 minutes on 2 cores
    python -m experiments.autoencoder --dataset=mnist --manual_dir=DIR --full
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import ALL_DIGITS
from dljax.studies.study import Study

NETS = ("linear", "dense", "conv")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag(
        "dense", "layers of encoder and decoder", choices=NETS, formerly="net"
    )
    latent_size: int = flag(8, "dimensions of the latent code", low=1, formerly="code")
    hidden: int = flag(256, "width of the hidden layers of `dense`", low=1)
    channels: int = flag(
        16, "channels of the first convolution; doubled in the next", low=1
    )
    learning_rate: float = flag(3e-3, "Adam's peak learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    steps: int = flag(4000, "number of updates", low=1)
    batch_size: int = flag(64, "images per batch", low=1)


def rule(linear, **gains):
    """Supported if the linear network's error exceeds PCA's by less than 5 %, and the
    error of the dense or of the convolutional network is below PCA's (Holm-adjusted
    tests at 0.05); refuted if the errors of both these networks are above PCA's (the
    same tests); else undecided.
    """
    if linear.below(0) and any(gain.above(0) for gain in gains.values()):
        return "supported"
    return "refuted" if all(gain.below(0) for gain in gains.values()) else "undecided"


STUDY = Study(
    claim="An autoencoder learns to compress images, better than a linear map can.",
    family="autoencoder",
    factors={"network": NETS},
    vmapped_factors=("learning_rate",),
    tune={"learning_rate": (3e-3, 1e-2)},
    tune_seeds=2,
    primary_metric="mse",
    higher=False,
    contrasts={
        "linear": ("linear@beyond_pca", 0.05),
        "dense": ("linear@pca_mse", "dense"),
        "conv": ("linear@pca_mse", "conv"),
    },
    rule=rule,
    sizes={"mnist": {"latent_size": 16, "batch_size": 128}},
    full={"mnist": {"steps": 6000, "seeds": 8}},
    smoke={"steps": 2, "seeds": 2, "hidden": 4, "channels": 2}
    | {"network": ("linear", "conv")},
    default_is_full={"digits": ALL_DIGITS},
)


def source(config):
    """Images in [0, 1]."""
    from dljax.sources.image_rendering import show_images
    from dljax.sources.loading import load_source

    return show_images(load_source(config), "reconstructed")


def task(config, source, numbers):
    """Reconstruction by one kind of autoencoder."""
    from dljax.models.autoencoder import autoencoder
    from dljax.sources.examples import image_example
    from dljax.tasks.reconstruction import reconstruction
    from dljax.training.optimizers import adamw, warmup_cosine

    learning_rate = numbers.get("learning_rate", config.learning_rate)
    example, _ = image_example(source)
    nets = autoencoder(
        config.network,
        example.shape[1:],
        config.latent_size,
        hidden=(config.hidden,),
        channels=(config.channels, 2 * config.channels),
    )
    rate = warmup_cosine(learning_rate, config.steps, warmup=config.steps // 20)
    components = config.latent_size if config.network == "linear" else 0
    return reconstruction(nets, adamw(rate), example=example, pca_components=components)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
