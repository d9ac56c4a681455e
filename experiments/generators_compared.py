"""Which generative model has the best images at equal size and equal training cost?

Claim: "Autoencoders, GANs, diffusion models and Transformers generate images."

A VAE, a GAN, a diffusion model and a pixel-by-pixel Transformer have the same number of
parameters within 5 %, and the same number of training operations. The operations per
update were counted once by XLA on a CPU (`OPERATIONS`), so that the numbers of updates
differ. Samples are scored in the features of a classifier of real images, by the
Frechet distance to held-out images. The baselines are other real images (`_real`), a
Gaussian fitted to the training images (`_gaussian`) and uniform noise (`_noise`). The
share of each class is reported. The report shows samples beside the nearest real
images.

    python -m experiments.generators_compared  # 4 minutes on 2 cores
    python -m experiments.generators_compared --full
    python -m experiments.generators_compared --dataset=mnist --manual_dir=DIR --full

The verdict is on the digits.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

from .image_transformers import image_transformer, next_pixel

KINDS = ("vae", "gan", "diffusion", "transformer")
SIDES = {"digits": 8, "mnist": 28, "fashion_mnist": 28}
# {side of an image: {model: width}}, for equal numbers of parameters.
WIDTHS = {
    8: {"vae": 36, "gan": 39, "diffusion": 16, "transformer": 52},
    28: {"vae": 22, "gan": 41, "diffusion": 24, "transformer": 68},
}
# {side of an image: {model: 10^9 operations of an update with 32 images}}.
OPERATIONS = {
    8: {"vae": 0.0565, "gan": 0.0648, "diffusion": 0.380, "transformer": 1.595},
    28: {"vae": 0.337, "gan": 1.007, "diffusion": 12.35, "transformer": 57.42},
}
OF_28 = [name for name, side in SIDES.items() if side == 28]
RATES = {"vae": 2e-3, "gan": 5e-4, "diffusion": 2e-3, "transformer": 2e-3}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("digits", "data set to train on", choices=tuple(SIDES))
    model: str = flag("diffusion", "generative model", choices=KINDS, formerly="kind")
    gflop: int = flag(
        100,
        "training cost per run in 10^9 floating-point operations",
        low=1,
        formerly="operations",
    )
    evaluator_steps: int = flag(
        1000,
        "updates of the classifier that scores samples",
        low=1,
        formerly="recogniser",
    )
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    batch_size: int = flag(32, "images per batch", low=1)

    def updates(self, per_epoch):
        """The number that --gflop allows, or --steps."""
        del per_epoch
        an_update = OPERATIONS[SIDES[self.dataset]][self.model] * self.batch_size / 32
        return self.steps or max(1, round(self.gflop / an_update))


def rule(vae, gan, diffusion, transformer, **others):
    """Supported if the samples of each of the four models have a smaller Frechet
    distance to held-out images than samples of a Gaussian fitted to the training images
    (Holm-adjusted tests at 0.05); refuted if the samples of one of them have a larger
    one (the same tests); else undecided. The comparisons with the diffusion model are
    reported and decide nothing.
    """
    del others  # reported
    four = (vae, gan, diffusion, transformer)
    if all(one.below(0) for one in four):
        return "supported"
    return "refuted" if any(one.above(0) for one in four) else "undecided"


STUDY = Study(
    claim="Autoencoders, GANs, diffusion models and Transformers generate images.",
    family="generative",
    factors={"model": KINDS},
    primary_metric="frechet",
    higher=False,
    contrasts={
        **{kind: (kind, f"{kind}@frechet_gaussian") for kind in KINDS},
        **{
            f"{kind}_more": (kind, "diffusion") for kind in KINDS if kind != "diffusion"
        },
    },
    rule=rule,
    sizes=dict.fromkeys(OF_28, {"gflop": 2_000, "seeds": 3}),
    full={
        "digits": {"gflop": 2_000},
        # A validation of the Transformer costs as much as 50 of its 348 updates.
        **dict.fromkeys(OF_28, {"gflop": 20_000, "eval_every": 20_000}),
    },
    smoke={"steps": 2, "seeds": 2, "evaluator_steps": 2, "model": ("transformer",)},
)


def source(config):
    """Images in [0, 1], or as sequences of pixel tokens."""
    from dljax.sources import loading
    from dljax.sources.image_rendering import render_images, show_images
    from dljax.sources.image_tokens import image_tokens
    from dljax.training.image_evaluator import image_sample_evaluator

    if config.model != "transformer":
        images = show_images(loading.load_source(config), "generated")
        evaluator = image_sample_evaluator(images, steps=config.evaluator_steps)
        return images._replace(details=evaluator)
    tokens = image_tokens(loading.load_dataset(config))
    images = show_images(tokens.details.images, "generated")

    def render(samples):
        shown = tokens.details.to_images(samples)
        if "image" not in shown:  # of a prompt
            return render_images(images, "generated", "generated", shown["generated"])
        assert images.render
        return images.render({name: shown[name] for name in ("image", "generated")})

    return tokens._replace(render=render)


def task(config, source, numbers):
    """The task of the chosen model."""
    from dljax.sources.examples import image_example
    from dljax.sources.resident import updates
    from dljax.tasks.conditional_generators import conditional_generator
    from dljax.training.image_evaluator import image_sample_evaluator
    from dljax.training.optimizers import adamw, warmup_cosine

    kind, details = config.model, source.details
    steps = updates(config, source)
    peak = RATES[kind]
    rate = warmup_cosine(peak, steps, warmup=min(100, steps // 10))
    if kind == "transformer":
        evaluator = image_sample_evaluator(
            details.images, steps=config.evaluator_steps, to_images=details.to_images
        )
        optimizer = adamw(rate, clip=1.0, ema=0.995)
        width = WIDTHS[SIDES[config.dataset]][kind]
        net = image_transformer(source, width, depth=3)
        return next_pixel(net, optimizer, source, evaluator, complete=False)
    return conditional_generator(
        kind,
        image_example(source)[0],
        num_classes=0,
        width=WIDTHS[SIDES[config.dataset]][kind],
        optimizers={
            "net": adamw(rate, clip=1.0, ema=0.995),
            "generator": adamw(peak, b1=0.5, ema=0.995),
            "critic": adamw(peak, b1=0.5),
        },
        sample_evaluator=source.details,
    )


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
