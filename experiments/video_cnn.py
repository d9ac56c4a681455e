"""Does a CNN for videos need time in its kernels?

Claim: "CNNs process videos, as they do images."

Does the digit move to the left or to the right? Every clip is there with its reversal:
the same frames, the opposite answer. A CNN that looks at every frame and averages what
it finds says the same of both, and is right on exactly one of the two; convolution over
time can be right on both. On real video, colloidal spheres under a microscope, the
question is how many frames apart the frames of a clip were taken: how fast do they
diffuse?

    python -m experiments.video_cnn
    python -m experiments.video_cnn --dataset=colloid_video --manual_dir=DIR --full

Digits moving over 8 frames of 16x16 pixels, 10 seeds over five folds, a minute and a
half on 2 x86-64 cores: supported. Test accuracy: convolution over time 100.0 %, each
frame with their order kept 100.0 %, with their order lost 50 % exactly, in every seed.
The microscope's video, --full (8 frames of 32x32 pixels, at strides of 1, 2, 4 or 8; 8
seeds), six minutes on the same machine: supported. With 95 % intervals: convolution
over time 99.9 % (99.7 to 100), each frame with their order kept 26.8 % (24.7 to 28.9),
with their order lost 24.8 % (24.3 to 25.3), which is chance. All seeds share its test
frames, the last sixty.
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
        "convolution over time, or of each frame, averaged or in order",
        choices=NETWORKS,
    )
    frames: int = flag(8, "frames of a clip of digits", low=2)
    frame_size: int = flag(
        16, "side of a clip's frames in pixels", low=8, formerly="size"
    )
    directions: int = flag(2, "number of directions of movement", choices=(2, 4, 8))
    channels: int = flag(
        8, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(32, "width of the fully connected layer", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds: two rounds of the five folds", low=1)
    epochs: float = flag(8.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples in a batch", low=1)


def rule(over_half, over_frames):
    """Supported if convolution over time is right in more than 80 of 100 clips, and by
    more than 20 points better than a CNN on frames whose order is lost (simultaneous
    intervals); refuted if it is right in less than 80; else undecided.
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
        "digits": "that frames without their order cannot tell is a theorem; 3,594 "
        "clips of all 1,797 images show it"
    },
)


def source(config):
    """Clips of moving digits and their reversals, or of a microscope's video."""
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
    """Each clip less its mean, over its standard deviation: they are grey on grey."""

    def gather(arrays, rows):
        batch = clips.gather(arrays, rows)
        image, axes = batch["image"], (1, 2, 3, 4)
        spread = image.std(axes, keepdims=True) + 1e-6
        return {**batch, "image": (image - image.mean(axes, keepdims=True)) / spread}

    return clips._replace(
        gather=gather, fingerprint=f"{clips.fingerprint}-standardised"
    )


def task(config, source, numbers):
    """Classification of source."""
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
