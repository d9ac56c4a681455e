"""Do GANs generate images, and what do norm and order of play change?

Claim: "Generative adversarial networks generate images."

Three objectives are trained with the normalisation and the order of play that they were
published with, and without one of them: non-saturating with batch norm, hinge with
spectral norm, and Wasserstein with gradient penalty, layer norm and five turns of the
critic per turn of the generator. All have the same number of generator updates at one
learning rate, which is not tuned; with five turns an update uses three times as many
images. Samples are scored in the features of a classifier of real images, by the
Frechet distance to held-out images. The baselines are other real images (`_real`), a
Gaussian fitted to the training images (`_gaussian`) and uniform noise (`_noise`). The
share of each class among the samples is reported.

    python -m experiments.gan  # 3 minutes on 2 cores
    python -m experiments.gan --full
    python -m experiments.gan --dataset=mnist --manual_dir=DIR --full

The verdict is on the digits. With MNIST three seeds of two variants are reported, and
no verdict is given. A data set needs 96 training images, or 32 with --critic_steps=1.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.errors import UserError
from dljax.studies.study import Study

OBJECTIVES = ("nonsaturating", "hinge", "wasserstein")
NORMS = ("batch", "none", "spectral", "layer")
PUBLISHED = (
    "nonsaturating/1/batch/32",
    "hinge/1/spectral/32",
    "wasserstein/5/layer/96",
)
A_TURN = 16  # images per turn
DESIGN = [
    {"objective": objective, "critic_steps": turns, "norm": norm}
    | {"batch_size": A_TURN * (turns + 1)}
    for objective, turns, norm in (
        ("nonsaturating", 1, "batch"),
        ("nonsaturating", 1, "none"),
        ("hinge", 1, "spectral"),
        ("hinge", 1, "none"),
        ("wasserstein", 5, "layer"),
        ("wasserstein", 1, "layer"),
    )
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    objective: str = flag(
        "hinge", "objective of critic and generator", choices=OBJECTIVES
    )
    critic_steps: int = flag(
        1, "turns of the critic per turn of the generator", low=1, formerly="turns"
    )
    norm: str = flag("spectral", "normalisation in the critic", choices=NORMS)
    latent_size: int = flag(
        32, "dimensions of the generator's input", low=1, formerly="noise"
    )
    channels: int = flag(32, "channels of the critic's first convolution", low=1)
    learning_rate: float = flag(
        5e-4, "Adam's learning rate, of critic and generator", low=0
    )
    evaluator_steps: int = flag(
        1000,
        "updates of the classifier that scores samples",
        low=1,
        formerly="recogniser",
    )
    seeds: int = flag(8, "number of seeds", low=1)
    steps: int = flag(1500, "updates of the generator", low=1)
    batch_size: int = flag(
        32, "images per batch, divided among the turns of an update", low=2
    )


def rule(nonsaturating, hinge, wasserstein, **others):
    """Supported if the samples of at least one of the three published configurations
    (non-saturating with batch norm, hinge with spectral norm, Wasserstein with five
    critic turns) have a smaller Frechet distance to held-out images than samples of a
    Gaussian fitted to the training images (Holm-adjusted tests at 0.05); refuted if the
    samples of all three have a larger one (the same tests); else undecided. The effects
    of spectral norm, batch norm and the number of critic turns are reported and decide
    nothing.
    """
    del others  # reported
    three = (nonsaturating, hinge, wasserstein)
    if any(one.below(0) for one in three):
        return "supported"
    return "refuted" if all(one.above(0) for one in three) else "undecided"


STUDY = Study(
    claim="Generative adversarial networks generate images.",
    family="generative",
    factors={"objective": OBJECTIVES, "critic_steps": (1, 5), "norm": NORMS}
    | {"batch_size": (2 * A_TURN, 6 * A_TURN)},
    design=DESIGN,
    primary_metric="frechet",
    higher=False,
    contrasts={
        **{one.split("/")[0]: (one, f"{one}@frechet_gaussian") for one in PUBLISHED},
        "spectral": ("hinge/1/none/32", "hinge/1/spectral/32"),
        "batch": ("nonsaturating/1/none/32", "nonsaturating/1/batch/32"),
        "critic_steps": ("wasserstein/1/layer/32", "wasserstein/5/layer/96"),
    },
    rule=rule,
    sizes={
        "mnist": {"seeds": 3, "batch_size": (32,), "critic_steps": (1,)}
        | {"objective": ("nonsaturating", "hinge"), "norm": ("batch", "spectral")}
    },
    full={"digits": {"steps": 4000, "seeds": 10}, "mnist": {"steps": 8000}},
    smoke={
        "steps": 2,
        "seeds": 2,
        "channels": 2,
        "latent_size": 2,
        "evaluator_steps": 2,
    }
    | {
        "objective": ("wasserstein",),
        "critic_steps": (5,),
        "norm": ("layer",),
        "batch_size": (96,),
    },
)


def source(config):
    """Images in [0, 1]; `details` is the sample evaluator."""
    from dljax.sources.image_rendering import show_images
    from dljax.sources.loading import load_source
    from dljax.training.image_evaluator import image_sample_evaluator

    images = show_images(load_source(config), "generated")
    evaluator = image_sample_evaluator(images, steps=config.evaluator_steps)
    return images._replace(details=evaluator)


def task(config, source, numbers):
    """The game of critic and generator."""
    from dljax.models.gan import critic, generator
    from dljax.sources.examples import image_example
    from dljax.tasks.gan import gan
    from dljax.training.optimizers import adamw

    example, _ = image_example(source)
    if (count := len(source.split(config.seed)["train"])) < config.batch_size:
        raise UserError(
            "batch-too-large",
            f"--dataset={source.name}: has {count} training images, and "
            f"--critic_steps={config.critic_steps} needs {config.batch_size}; "
            "give --critic_steps=1 or another data set",
        )
    channels = (config.channels, 2 * config.channels)
    b1, b2 = (0.0, 0.9) if config.objective == "wasserstein" else (0.5, 0.999)
    return gan(
        generator(example.shape[1:], channels[::-1]),
        critic(channels, norm=config.norm),
        {
            "generator": adamw(config.learning_rate, b1=b1, b2=b2, ema=0.99),
            "critic": adamw(config.learning_rate, b1=b1, b2=b2),
        },
        example=example,
        latent_size=config.latent_size,
        objective=config.objective,
        order=("critic",) * config.critic_steps + ("generator",),
        sample_evaluator=source.details,
    )


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
