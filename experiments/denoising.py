"""Does an autoencoder that is trained to remove noise remove it best?

Claim: "A denoising autoencoder restores images that noise has corrupted."

Gaussian noise is added to test images, and the output of the network is compared with
the images without noise. The networks are trained on noisy images (`denoising`), on
clean ones (`clean`), or on noisy images with linear layers (`linear`). The share of the
noise's mean squared error that is left decides. The learning rate of every variant is
tuned on validation data.

    python -m experiments.denoising  # digits; a minute on 2 cores
    python -m experiments.denoising --dataset=mnist --manual_dir=DIR --full
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import ALL_DIGITS
from dljax.studies.study import Study

MODELS = ("denoising", "clean", "linear")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    model: str = flag(
        "denoising", "network and training data", choices=MODELS, formerly="way"
    )
    noise: float = flag(
        0.3, "standard deviation of the noise; pixels are in [0, 1]", low=0
    )
    latent_size: int = flag(32, "dimensions of the latent code", low=1, formerly="code")
    hidden: int = flag(256, "width of the hidden layers", low=1)
    learning_rate: float = flag(2e-3, "Adam's peak learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    steps: int = flag(2000, "number of updates", low=1)
    batch_size: int = flag(64, "images per batch", low=1)


def rule(restored, **gains):
    """Supported if the network trained to denoise leaves less than half of the noise's
    mean squared error, and less than the network trained on clean images and the linear
    network leave (Holm-adjusted tests at 0.05); refuted if it leaves more than half, or
    more than the linear network (the same tests); else undecided.
    """
    if restored.below(0) and all(gain.above(0) for gain in gains.values()):
        return "supported"
    worse = restored.above(0) or gains["linear"].below(0)
    return "refuted" if worse else "undecided"


STUDY = Study(
    claim="A denoising autoencoder restores images that noise has corrupted.",
    family="autoencoder",
    factors={"model": MODELS},
    primary_metric="noise_left",
    vmapped_factors=("learning_rate",),
    tune={"learning_rate": (1e-3, 3e-3, 1e-2)},
    tune_seeds=2,
    higher=False,
    contrasts={
        "restored": ("denoising", 0.5),
        "clean": ("clean", "denoising"),
        "linear": ("linear", "denoising"),
    },
    rule=rule,
    sizes={"mnist": {"batch_size": 128}},
    full={"mnist": {"steps": 5000, "seeds": 8}},
    smoke={"steps": 2, "seeds": 2, "hidden": 4, "model": ("denoising", "clean")},
    default_is_full={"digits": ALL_DIGITS},
)


def source(config):
    """Images in [0, 1]."""
    from dljax.sources.image_rendering import show_images
    from dljax.sources.loading import load_source

    return show_images(load_source(config), "reconstructed", inputs=("corrupted",))


def task(config, source, numbers):
    """Reconstruction of an image from the image with noise."""
    import jax

    from dljax.models.autoencoder import autoencoder
    from dljax.sources.examples import image_example
    from dljax.tasks.reconstruction import reconstruction
    from dljax.training.optimizers import adamw, warmup_cosine

    learning_rate = numbers.get("learning_rate", config.learning_rate)

    def noisy(key, images):
        return images + config.noise * jax.random.normal(key, images.shape)

    example, _ = image_example(source)
    kind = "linear" if config.model == "linear" else "dense"
    nets = autoencoder(
        kind, example.shape[1:], config.latent_size, hidden=(config.hidden,)
    )
    rate = warmup_cosine(learning_rate, config.steps, warmup=config.steps // 20)
    return reconstruction(
        nets,
        adamw(rate),
        example=example,
        corrupt=noisy,
        corrupt_training=config.model != "clean",
    )


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
