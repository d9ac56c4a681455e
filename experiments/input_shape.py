"""How do colour and image size affect the accuracy of a CNN?

Claim: "Colour tells a CNN more than grey, and it takes images of other sizes."

A CNN with global average pooling takes images of any size. It is trained on colour or
on grey images of one size. It is tested at that size, and on images that are resized to
50 to 150 % of that side. The rule asks whether colour is better than grey, and how much
88 % and 113 % of the side cost. Images of a grey data set, such as the digits, are the
same in both variants.

    python -m experiments.input_shape --dataset=image_folder --manual_dir=DIR --full

DIR has JPEG files of CIFAR-10's images in DIR/train/CLASS and DIR/test/CLASS.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Profile, Study

PERCENTS = (50, 75, 88, 113, 125, 150)  # of the side of the training images


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    colour: str = flag("colour", "colour or grey images", choices=("colour", "grey"))
    channels: int = flag(8, "channels of the first convolution", low=1)
    stages: int = flag(2, "number of convolutions; each doubles the channels", low=1)
    learning_rate: float = flag(5e-3, "Adam's peak learning rate", low=0)
    seeds: int = flag(10, "number of seeds", low=1)
    epochs: float = flag(20.0, "passes over the training data", low=0)
    batch_size: int = flag(32, "examples per batch", low=1)


def rule(colour, smaller, larger):
    """Supported if the accuracy on colour images is higher than on grey ones
    (Holm-adjusted test at 0.05), and with colour the accuracy at 88 % and at 113 % of
    the training side is less than 10 percentage points below that at the training side
    (simultaneous intervals); if not, refuted if colour is worse than grey
    (Holm-adjusted test at 0.05) or equivalent to it within 1 percentage point (two
    one-sided tests), or one of the two other sizes costs more than 10 percentage points
    (simultaneous intervals); else undecided.
    """
    if colour.above(0) and smaller.above(-0.1) and larger.above(-0.1):
        return "supported"
    same = colour.below(0) or colour.within(0.01)
    costly = smaller.below(-0.1) or larger.below(-0.1)
    return "refuted" if same or costly else "undecided"


STUDY = Study(
    claim="Colour tells a CNN more than grey, and it takes images of other sizes.",
    family="convolutional",
    factors={"colour": ("colour", "grey")},
    primary_metric="accuracy",
    contrasts={
        "colour": ("colour", "grey"),
        "smaller": ("colour@accuracy_88", "colour"),
        "larger": ("colour@accuracy_113", "colour"),
    },
    rule=rule,
    profiles=[
        Profile(
            y="accuracy",
            x="percent of the side of the training images",
            points={
                **{f"accuracy_{percent}": percent for percent in PERCENTS[:3]},
                "accuracy": 100,
                **{f"accuracy_{percent}": percent for percent in PERCENTS[3:]},
            },
        )
    ],
    sizes={
        "image_folder": {
            "resize": 32,
            "channels": 16,
            "stages": 3,
            "batch_size": 64,
            "epochs": 3.0,
            "seeds": 2,
        }
    },
    full={"image_folder": {"epochs": 10.0, "seeds": 8}},
    smoke={"steps": 3, "seeds": 2, "channels": 2},
)


def source(config):
    """Images in colour, or converted to luma (ITU-R BT.601)."""
    import jax.numpy as jnp

    from dljax.sources.loading import load_source

    images = load_source(config)
    if config.colour == "colour":
        return images

    def gather(arrays, rows):
        batch = images.gather(arrays, rows)
        if batch["image"].shape[-1] == 3:
            luma = batch["image"] @ jnp.array([[0.299], [0.587], [0.114]])
            batch = {**batch, "image": luma}
        return batch

    return images._replace(gather=gather, fingerprint=f"{images.fingerprint}-grey")


def task(config, source, numbers):
    """Classification, with a probe of the accuracy at other image sizes."""
    import jax
    import jax.numpy as jnp

    from dljax.models.cnn import cnn
    from dljax.sources.resident import updates
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw, warmup_cosine

    batch = jax.eval_shape(source.gather, source.arrays, jnp.zeros(1, jnp.int32))
    channels = [config.channels * 2**i for i in range(config.stages)]
    net = cnn(tuple(channels), 0, len(source.classes), head="average")
    steps = updates(config, source)
    rate = warmup_cosine(config.learning_rate, steps, warmup=steps // 20)
    base = classification(net, adamw(rate), example=jnp.zeros(batch["image"].shape))

    def final_metrics(params, model_state, batch, key):
        accuracies = {}
        b, h, w, c = batch["image"].shape
        for percent in PERCENTS:
            size = (b, round(h * percent / 100), round(w * percent / 100), c)
            resized = {
                **batch,
                "image": jax.image.resize(batch["image"], size, "cubic"),
            }
            accuracy = base.metrics(params, model_state, resized, key)["accuracy"]
            accuracies[f"accuracy_{percent}"] = accuracy
        return accuracies

    return base._replace(final_metrics=final_metrics)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
