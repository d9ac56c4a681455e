"""Does ResNet-20 reach its published accuracy, and in half precision too?

Claim: "Computing in half precision costs a residual net no accuracy."

He, Zhang, Ren, Sun 2016, table 6: ResNet-20 errs on 8.75 % of CIFAR-10's test images,
an accuracy of 91.25 %. That is what the rows of the report are to be read against; a
constant is nothing that seeds can be paired with, so no rule is made of it. What is
compared is the same training with bfloat16 in place of float32.

    python -m experiments.reference.resnet_cifar10 --manual_dir=DIR --full
    python -m experiments.reference.resnet_cifar10 --dataset=image_folder \
        --manual_dir=DIR --resize=32

As in the paper, section 4.2: SGD with momentum 0.9 and weight decay 1e-4, batches of
128, 64k updates, the rate 0.1 divided by 10 at 32k and at 48k, images moved by up to 4
pixels and mirrored. Differences: images are in [0, 1], without the mean of each pixel
taken off, and some training images may be held out for validation. Not run at this
size yet: it takes an accelerator.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("cifar10", "data set to train on")
    compute: str = flag(
        "float32", "what it is computed in", choices=("float32", "bfloat16")
    )
    depth: int = flag(20, "layers, 6n+2", low=8)
    width: int = flag(16, "features of the first stage", low=1)
    learning_rate: float = flag(0.1, "of the first half; then a tenth", low=0)
    seeds: int = flag(5, "how many seeds", low=1)
    steps: int = flag(64_000, "updates; 0: as many as --epochs makes", low=0)
    batch_size: int = flag(128, "examples an update", low=1)


def rule(half):
    """Supported if bfloat16 minus float32 is equivalent to 0 within half a point of
    accuracy (two one-sided tests); refuted if it is below -0.005; else undecided.
    """
    if half.within(0.005):
        return "supported"
    return "refuted" if half.below(-0.005) else "undecided"


STUDY = Study(
    claim="Computing in half precision costs a residual net no accuracy.",
    factors={"compute": ("float32", "bfloat16")},
    measure="accuracy",
    contrasts={"half": ("bfloat16", "float32")},
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "depth": 8, "width": 2, "batch_size": 16},
)


def source(config):
    from dljax.data.source import load

    return load(config)


def task(config):
    """Classification by a ResNet; momentum, and weight decay inside the gradient."""
    import jax.numpy as jnp
    import optax

    from dljax.data import augment
    from dljax.data.source import updates
    from dljax.models.net import compute
    from dljax.models.resnet import resnet
    from dljax.tasks.classification import classification
    from dljax.train.optimizers import sgd

    images = source(config)
    steps = updates(config, images)
    rate = optax.piecewise_constant_schedule(
        config.learning_rate, {steps // 2: 0.1, steps * 3 // 4: 0.1}
    )
    optimizer = optax.chain(optax.add_decayed_weights(1e-4), sgd(rate, momentum=0.9))
    net = resnet(config.depth, len(images.classes), width=config.width)
    return classification(
        compute(net, config.compute),
        optimizer,
        example=jnp.zeros((1, *images.arrays["image"].shape[1:])),
        augment=augment.chain(
            lambda key, x: augment.shift(key, x, most=4), augment.flip
        ),
    )


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
