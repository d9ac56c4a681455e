"""Does a CNN for videos need convolution over time?

Claim: "CNNs process videos, as they do images."

The task with digits is the direction of a moving digit, left or right. For every clip
the data set has its reversal, with the opposite label. A 2D CNN whose features are
averaged over the frames gives both the same prediction, and is right on exactly one of
them. Convolution over time (`3d`), or features that are concatenated in the order of
the frames (`frames_kept`), can be right on both. The other task is a video of colloidal
spheres under a microscope: the label is the stride between the frames of a clip, 1, 2,
4 or 8, which the diffusion of the spheres reveals. All seeds are tested on the last
sixty frames. The test accuracy decides.

    python -m experiments.video_cnn  # digits; 2 minutes on 2 cores
    python -m experiments.video_cnn --dataset=colloid_video --manual_dir=DIR --full
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

NETWORKS = ("3d", "frames", "frames_kept")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag(
        "3d",
        "3D convolution, or 2D with features averaged or concatenated over frames",
        choices=NETWORKS,
    )
    frames: int = flag(8, "frames per clip of digits", low=2)
    frame_size: int = flag(
        16, "side of a clip's frames in pixels", low=8, formerly="size"
    )
    directions: int = flag(2, "number of directions of movement", choices=(2, 4, 8))
    channels: int = flag(
        8, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(32, "width of the fully connected layer", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(8.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(over_half, over_frames):
    """Supported if the accuracy of the CNN with convolution over time is above 80 %,
    and more than 20 percentage points above that of the CNN whose features are averaged
    over the frames (simultaneous intervals); refuted if it is below 80 % (simultaneous
    interval); else undecided.
    """
    if over_half.below(0.3):
        return "refuted"
    better = over_half.above(0.3) and over_frames.above(0.2)
    return "supported" if better else "undecided"


STUDY = Study(
    claim="CNNs process videos, as they do images.",
    family="convolutional",
    factors={"network": NETWORKS},
    primary_metric="accuracy",
    contrasts={
        "over_half": ("3d", 0.5),
        "over_frames": ("3d", "frames"),
    },
    rule=rule,
    sizes={
        "colloid_video": {"resize": 32, "epochs": 1.0, "seeds": 2},
        "mnist": {"frame_size": 40, "epochs": 0.1, "seeds": 2},
    },
    full={
        "colloid_video": {"epochs": 2.0, "seeds": 8},
        "mnist": {"epochs": 0.3, "seeds": 8},
    },
    smoke={"steps": 3, "seeds": 2, "channels": 2, "hidden": 4},
    default_is_full={
        "digits": "that unordered frames do not show the direction is a theorem; 3,594 "
        "clips of all 1,797 images illustrate it"
    },
)


def source(config):
    """Clips of moving digits and their reversals, or clips of a video."""
    from dljax.sources.loading import load_source
    from dljax.sources.video import moving_digits

    images = load_source(config)
    if "image" not in images.arrays:  # a video
        return standardised(images)
    return moving_digits(
        images,
        directions=config.directions,
        frames=config.frames,
        size=config.frame_size,
    )


def standardised(clips):
    """Standardises each clip to mean 0 and standard deviation 1, for low contrast."""

    def gather(arrays, rows):
        batch = clips.gather(arrays, rows)
        image, axes = batch["image"], (1, 2, 3, 4)
        spread = image.std(axes, keepdims=True) + 1e-6
        return {**batch, "image": (image - image.mean(axes, keepdims=True)) / spread}

    return clips._replace(
        gather=gather, fingerprint=f"{clips.fingerprint}-standardised"
    )


def task(config, source, numbers):
    """Classification of clips."""
    import jax
    import jax.numpy as jnp

    from dljax.models.video import cnn_3d, cnn_frames
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    batch = jax.eval_shape(source.gather, source.arrays, jnp.zeros(1, jnp.int32))
    channels = (config.channels, 2 * config.channels)
    outputs = len(source.classes)
    if config.network == "3d":
        net = cnn_3d(channels, config.hidden, outputs)
    else:
        fusion = "concatenate" if config.network == "frames_kept" else "mean"
        net = cnn_frames(channels, config.hidden, outputs, fusion=fusion)
    example = jnp.zeros(batch["image"].shape)
    return classification(net, adamw(config.learning_rate), example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
