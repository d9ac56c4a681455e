"""Does a linear variational autoencoder reach its exact optimum?

Claim: "A linear VAE reaches the likelihood of probabilistic PCA."

With a linear encoder, a linear decoder and Gaussian pixels of one variance, the optimal
bound is the likelihood of probabilistic PCA with the principal components of the same
images (Tipping and Bishop 1999; Lucas et al. 2019). All images are used for training
and for testing, because the test is of the bound, its divergence and its samples, not
of generalisation. The bound is the mean over 100 posterior samples per image; a first
run with one sample was too noisy for a margin of 0.05 nats.

    python -m experiments.reference.linear_vae  # 2 minutes on 2 cores
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

LATENT_SIZES = (2, 8)
SAMPLES = 100  # of the posterior, per image


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    latent_size: int = flag(8, "dimensions of the latent code", low=1, formerly="code")
    learning_rate: float = flag(1e-2, "Adam's peak learning rate", low=0)
    seeds: int = flag(8, "number of seeds", low=1)
    steps: int = flag(20_000, "number of updates", low=1)
    batch_size: int = flag(256, "images per batch", low=1)


def rule(**gaps):
    """Supported if for each code size the bound, from 100 samples per image, is
    equivalent to the likelihood within 0.05 nats per image (two one-sided tests);
    refuted if for one size the two differ by more than 0.05 nats (simultaneous
    intervals); else undecided.
    """
    if all(gap.within(0.05) for gap in gaps.values()):
        return "supported"
    large = any(gap.above(0.05) or gap.below(-0.05) for gap in gaps.values())
    return "refuted" if large else "undecided"


STUDY = Study(
    claim="A linear VAE reaches the likelihood of probabilistic PCA.",
    family="autoencoder",
    published="0 (algebra)",
    factors={"latent_size": LATENT_SIZES},
    primary_metric="nelbo",
    higher=False,
    contrasts={f"latent_{n}": (f"{n}@bound", f"{n}@ppca_nll") for n in LATENT_SIZES},
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "latent_size": (2,)},
    default_is_full={"digits": "the optimum is known exactly for these images"},
)


def source(config):
    """All images in every split, for all seeds."""
    import numpy as np

    from dljax.sources.loading import load_source

    images = load_source(config)
    every = np.arange(len(images.arrays["label"]))
    parts = {"train": every, "valid": every, "test": every}
    return images._replace(
        split=lambda seed: parts,
        test_train_ratio=0.0,
        fingerprint=f"{images.fingerprint}-every",
    )


def task(config, source, numbers):
    """The evidence lower bound, with a probe of the likelihood of probabilistic PCA."""
    import numpy as np

    from dljax.models.autoencoder import autoencoder
    from dljax.sources.examples import image_example
    from dljax.sources.transforms import all_images
    from dljax.tasks.vae import vae
    from dljax.training.optimizers import adamw, warmup_cosine

    example, _ = image_example(source)
    nets = autoencoder("linear", example.shape[1:], config.latent_size, codes=2)
    rate = warmup_cosine(config.learning_rate, config.steps, warmup=config.steps // 20)
    base = vae(
        nets,
        adamw(rate),
        example=example,
        latent_size=config.latent_size,
        likelihood="gaussian",
        importance_samples=SAMPLES,
    )
    bounds = base.final_metrics
    assert bounds is not None
    x = all_images(source).reshape(-1, example[0].size).astype(np.float64)
    covariance = ppca(np.cov(x, rowvar=False, bias=True), config.latent_size)
    mean = x.mean(0)
    inverse = np.linalg.inv(covariance)
    constant = np.linalg.slogdet(2 * np.pi * covariance)[1] / 2

    def final_metrics(params, model_state, batch, key):
        rest = batch["image"].reshape(len(batch["weight"]), -1) - mean[None]
        nats = constant + ((rest @ inverse) * rest).sum(-1) / 2
        best = ((nats * batch["weight"]).sum(), batch["weight"].sum())
        return {"ppca_nll": best, **bounds(params, model_state, batch, key)}

    return base._replace(final_metrics=final_metrics)


def ppca(covariance, components):
    """The covariance (d, d) of the maximum-likelihood model.

    Source: Tipping and Bishop 1999, equations 7 and 8.
    """
    import numpy as np

    values, vectors = np.linalg.eigh(covariance)
    noise, largest = values[:-components].mean(), values[-components:]
    axes = vectors[:, -components:]
    return noise * np.eye(len(covariance)) + (axes * (largest - noise)) @ axes.T


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
