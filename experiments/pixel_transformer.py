"""Does a Transformer generate images pixel by pixel?

Claim: "A Transformer generates images."

A decoder predicts each pixel from the pixels before it, row by row, which gives an
exact likelihood of an image. It samples whole images, and completes the second half of
test images. Samples are scored in the features of a classifier of real images, by the
Frechet distance to held-out images. The baselines are other real images (`_real`), a
Gaussian fitted to the training images (`_gaussian`) and uniform noise (`_noise`). One
variant has no attention, so that it depends on the last pixel and the position alone,
and one has no positions. The rule compares the Frechet distance with the Gaussian's,
and the bits per pixel with those without attention.

    python -m experiments.pixel_transformer  # 4 minutes on 2 cores
    python -m experiments.pixel_transformer --full
    python -m experiments.pixel_transformer --dataset=mnist --manual_dir=DIR --full

The verdict is on the digits. With MNIST three seeds of one variant are reported, and no
verdict is given.
"""

import dataclasses
import sys
from typing import Any

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

from .image_transformers import image_transformer, next_pixel

CHANGES: dict[str, dict[str, Any]] = {
    "none": {},
    "attention": {"attention": False},
    "positions": {"positions": "none"},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    ablate: str = flag(
        "none",
        "component that is removed",
        choices=tuple(CHANGES),
        formerly="knows",
    )
    width: int = flag(64, "model width", low=4)
    depth: int = flag(3, "number of blocks", low=1)
    heads: int = flag(4, "attention heads per block", low=1)
    dropout: float = flag(0.1, "dropout rate of each residual branch", low=0, below=1)
    learning_rate: float = flag(
        2e-3, "Adam's peak learning rate, after 50 warm-up updates", low=0
    )
    evaluator_steps: int = flag(
        1000,
        "updates of the classifier that scores samples",
        low=1,
        formerly="recogniser",
    )
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    steps: int = flag(150, "number of updates", low=1)
    batch_size: int = flag(32, "images per batch", low=1)


def rule(generated, attention, **others):
    """Supported if the samples have a smaller Frechet distance to held-out images than
    samples of a Gaussian fitted to the training images (Holm-adjusted test at 0.05),
    and the model needs fewer bits per pixel than the one without attention, by more
    than 0.1 (simultaneous interval); refuted if the Frechet distance is larger than the
    Gaussian's (Holm-adjusted test at 0.05), or attention saves less than 0.1 bits per
    pixel (simultaneous interval); else undecided. The model without positions is
    reported and decides nothing.
    """
    del others  # reported
    if generated.below(0) and attention.above(0.1):
        return "supported"
    return "refuted" if generated.above(0) or attention.below(0.1) else "undecided"


STUDY = Study(
    claim="A Transformer generates images.",
    family="transformer",
    factors={"ablate": tuple(CHANGES)},
    primary_metric="bits",
    higher=False,
    select="best_valid",
    contrasts={
        "generated": ("none@frechet", "none@frechet_gaussian"),
        "attention": ("attention", "none"),
        "positions": ("positions", "none"),
    },
    rule=rule,
    sizes={
        "mnist": {"batch_size": 16, "seeds": 3, "ablate": ("none",), "eval_every": 1500}
    },
    full={"digits": {"steps": 2000}, "mnist": {"steps": 1500}},
    smoke={"steps": 2, "seeds": 2, "width": 8, "depth": 1, "evaluator_steps": 2}
    | {"ablate": ("none",)},
)


def source(config):
    """Images as sequences of pixel tokens."""
    from dljax.sources import loading
    from dljax.sources.image_tokens import image_tokens

    return image_tokens(loading.load_dataset(config))


def task(config, source, numbers):
    """Prediction of the next pixel."""
    from dljax.training.image_evaluator import image_sample_evaluator
    from dljax.training.optimizers import adamw, warmup_cosine

    details = source.details
    evaluator = image_sample_evaluator(
        details.images, steps=config.evaluator_steps, to_images=details.to_images
    )
    net = image_transformer(
        source,
        config.width,
        depth=config.depth,
        heads=config.heads,
        dropout=config.dropout,
        **CHANGES[config.ablate],
    )
    rate = warmup_cosine(config.learning_rate, config.steps, warmup=50)
    return next_pixel(net, adamw(rate, clip=1.0), source, evaluator)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
