"""Does a CNN use the arrangement of the pixels, which an MLP does not?

Claim: "Flattening an image into one dimension loses information that a CNN keeps."

Flattening is a bijection, so that no information is lost. The MLP does not know,
however, which pixels are neighbours. The test permutes the pixels: one fixed random
permutation is applied to every image (`shuffled`), or none (`in_place`). The MLP has
about as many parameters as the CNN. If neighbourhood is the reason, the CNN is more
accurate on unpermuted images (`gap`), the permutation reduces this lead
(`interaction`), and it does not change the accuracy of the MLP (`mlp_shuffling`).
Digits are placed at random on a canvas of 12x12 pixels: on the 8x8 images themselves
all digits are centred, and the lead was 0.6 percentage points, less than five folds of
the same images can resolve. Sizes and rates were chosen on validation data of seeds 100
to 109, the same for both networks.

    python -m experiments.cnn_vs_mlp  # digits; under three minutes
    python -m experiments.cnn_vs_mlp --dataset=mnist --manual_dir=DIR --full
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    """Defaults for digits; `STUDY.sizes` has those of larger data sets."""

    network: str = flag("cnn", "network", choices=("cnn", "mlp"))
    canvas: int = flag(
        12, "side of the canvas; each image at a random position; 0: no canvas", low=0
    )
    pixels: str = flag(
        "in_place", "pixels as they are, or permuted", choices=("in_place", "shuffled")
    )
    channels: int = flag(
        16, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(128, "width of the CNN's fully connected layer", low=1)
    dropout: float = flag(
        0.5, "dropout rate of the fully connected layer", low=0, below=1
    )
    learning_rate: float = flag(2e-3, "Adam's peak learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(60.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(gap, interaction, mlp_shuffling):
    """Supported if the gap (accuracy of the CNN minus the MLP's, without permutation)
    and the interaction (that gap minus the gap with permuted pixels) are above 0
    (Holm-adjusted tests at 0.05), and the effect of the permutation on the MLP is
    equivalent to 0 within half of the lower end of the gap's simultaneous interval (two
    one-sided tests at that interval's level); refuted if the gap or the interaction is
    below 0 (Holm-adjusted tests at 0.05); else undecided.
    """
    if gap.above(0) and interaction.above(0):
        same = mlp_shuffling.within(gap.simultaneous_ci.low / 2)
        return "supported" if same else "undecided"
    if gap.below(0) or interaction.below(0):
        return "refuted"
    return "undecided"


IMAGES_28 = {
    "canvas": 0,
    "channels": 32,
    "hidden": 256,
    "batch_size": 128,
    "dropout": 0.25,
}
STUDY = Study(
    claim="Flattening an image into one dimension loses information that a CNN keeps.",
    family="convolutional",
    factors={"network": ("cnn", "mlp"), "pixels": ("in_place", "shuffled")},
    primary_metric="accuracy",
    contrasts={
        "gap": ("cnn/in_place", "mlp/in_place"),
        "interaction": ("cnn/in_place - mlp/in_place", "cnn/shuffled - mlp/shuffled"),
        "mlp_shuffling": ("mlp/in_place", "mlp/shuffled"),
    },
    rule=rule,
    looks=(10, 20),
    sizes={
        "mnist": {**IMAGES_28, "epochs": 2.0, "seeds": 2},
        "fashion_mnist": {**IMAGES_28, "epochs": 2.0, "seeds": 2},
    },
    full={
        "mnist": {"epochs": 5.0, "seeds": 10},
        "fashion_mnist": {"epochs": 10.0, "seeds": 10},
    },
    smoke={"steps": 3, "seeds": 2, "channels": 2, "hidden": 4},
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """Images in [0, 1]; with "shuffled" one fixed permutation reorders the pixels."""
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import on_canvas, shuffle_pixels

    images = load_source(config)
    if config.canvas:
        images = on_canvas(images, config.canvas)
    return images if config.pixels == "in_place" else shuffle_pixels(images)


def task(config, source, numbers):
    """Classification by a CNN, or by an MLP with about as many parameters."""
    import jax.numpy as jnp

    from dljax.models.cnn import cnn, cnn_parameters
    from dljax.models.mlp import mlp, width_for
    from dljax.sources.resident import updates
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw, warmup_cosine

    shape = source.arrays["image"].shape[1:]
    outputs = len(source.classes)
    channels = (config.channels, 2 * config.channels)
    if config.network == "cnn":
        net = cnn(channels, config.hidden, outputs, dropout=config.dropout)
    else:
        size = cnn_parameters(shape, channels, config.hidden, outputs)
        inputs = shape[0] * shape[1] * shape[2]
        width = width_for(size, inputs=inputs, outputs=outputs)
        net = mlp((width,), outputs, dropout=config.dropout)
    steps = updates(config, source)
    rate = warmup_cosine(config.learning_rate, steps, warmup=steps // 20)
    return classification(net, adamw(rate), example=jnp.zeros((1, *shape)))


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
