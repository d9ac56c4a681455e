"""Does a small CNN recognise spoken digits as accurately as published?

Claim: "A CNN recognises spoken digits in 96 of 100 recordings."

The data set has 2,500 recordings of five speakers (Free Spoken Digit Dataset 1.0.9).
The test set is the first five recordings of each digit and speaker, as its authors
define it. The published 97 % are of a CNN of MFCCs, on a random tenth of an earlier
version (sound-mnist). Here a CNN of three convolutions classifies mel spectrograms,
which are shifted at random in training. For speakers outside the training data see
`audio_classification`.

    python -m experiments.reference.spoken_digit --manual_dir=DIR

DIR has free-spoken-digit-dataset-1.0.9.tar.gz.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import WHOLE_DATA_SET
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("spoken_digit", "data set to train on")
    network: str = flag("cnn", "network", choices=("cnn",), formerly="net")
    channels: int = flag(
        32, "channels of the first convolution; doubled in the others", low=1
    )
    hidden: int = flag(128, "width of the fully connected layer", low=1)
    dropout: float = flag(
        0.5, "dropout rate of the fully connected layer", low=0, below=1
    )
    shift: int = flag(
        2, "maximum shift of a spectrogram in frames, and in bands", low=0
    )
    learning_rate: float = flag(2e-3, "Adam's peak learning rate", low=0)
    seeds: int = flag(8, "number of seeds", low=1)
    steps: int = flag(1500, "number of updates", low=1)
    batch_size: int = flag(64, "sounds per batch", low=1)


def rule(accuracy):
    """Supported if the mean accuracy is above 96 % (test at 0.05); refuted if it is
    below 96 % (the same test); else undecided.
    """
    if accuracy.above(0):
        return "supported"
    return "refuted" if accuracy.below(0) else "undecided"


STUDY = Study(
    claim="A CNN recognises spoken digits in 96 of 100 recordings.",
    family="convolutional",
    published="97 % (sound-mnist, an earlier version)",
    factors={"network": ("cnn",)},
    primary_metric="accuracy",
    contrasts={"accuracy": ("cnn", 0.96)},
    rule=rule,
    smoke={"steps": 2, "seeds": 2, "channels": 2, "hidden": 4},
    default_is_full={"spoken_digit": WHOLE_DATA_SET},
)


def source(config):
    """Spectrograms in [0, 1]."""
    from dljax.sources.loading import load_source

    return load_source(config)


def task(config, source, numbers):
    """Classification of spectrograms, shifted at random in time and frequency."""
    import functools

    from dljax.models.cnn import cnn
    from dljax.sources.augment import shift
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw, warmup_cosine

    example, outputs = image_example(source)
    channels = (config.channels, 2 * config.channels, 2 * config.channels)
    net = cnn(channels, config.hidden, outputs, dropout=config.dropout)
    rate = warmup_cosine(config.learning_rate, config.steps, warmup=config.steps // 20)
    return classification(
        net,
        adamw(rate, weight_decay=0.01),
        example=example,
        augment=functools.partial(shift, max_pixels=config.shift),
    )


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
