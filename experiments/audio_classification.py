r"""Does a CNN recognise sounds, and does it when it does not know the voice?

Claim: "A CNN recognises sounds from their spectrograms."

A sound becomes a picture, of how loud each band of frequencies is at each time. A CNN
tells which class it is of: the family of an instrument, or a digit that is spoken. It
is tested on sounds of voices that it has learned from, and on those of voices that it
has not: each fifth of the voices is left out in turn.

    python -m experiments.audio_classification  # 2 minutes on 2 cores
    python -m experiments.audio_classification --dataset=spoken_digit \
        --manual_dir=DIR --full

By default single notes of 128 instruments (extra `music`); DIR has the archive of the
Free Spoken Digit Dataset 1.0.9; or --dataset=audio_folder and your own WAV files.

Supported, of digits that are spoken. 10 seeds over five parts, 17 minutes on one x86-64
core beside other work, accuracy, 95 % intervals:

            known voices             new voices
    CNN     0.981 (0.966 to 0.995)   0.773 (0.603 to 0.942)
    MLP     0.969 (0.954 to 0.984)   0.663 (0.359 to 0.967)

The speakers that were left out in turn, two seeds each: george 0.766 and 0.790, jackson
0.712 and 0.684, nicolas 0.662 and 0.592, theo 0.934 and 0.934, yweweler 0.794 and
0.860. That an unknown voice costs 20.8 points (-3.5 to +45.1) and that a CNN is ahead
there by 11.0 (-13.3 to +35.3) is not certain with five speakers (simultaneous
intervals).
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

NETS = ("cnn", "mlp")
SPEAKERS = ("known", "new")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("notes", "data set to train on")
    network: str = flag("cnn", "network", choices=NETS, formerly="net")
    speakers: str = flag(
        "known", "speakers of the test set", choices=SPEAKERS, formerly="voices"
    )
    channels: int = flag(16, "channels of the first convolution; then doubled", low=1)
    hidden: int = flag(64, "width of the fully connected layer", low=1)
    dropout: float = flag(
        0.3, "dropout rate of the fully connected layer", low=0, below=1
    )
    learning_rate: float = flag(2e-3, "Adam's peak learning rate", low=0)
    seeds: int = flag(10, "number of seeds: two rounds of the five folds", low=1)
    steps: int = flag(500, "updates", low=1)
    batch_size: int = flag(64, "sounds in a batch", low=1)


def rule(known, new, **others):
    """Supported if of known voices it is right in more than 90 of 100 sounds, and of
    new ones in more than half (Holm, 0.05); refuted if in less than 90, or in less
    than half; else undecided.
    """
    del others  # reported
    if known.above(0) and new.above(0):
        return "supported"
    return "refuted" if known.below(0) or new.below(0) else "undecided"


STUDY = Study(
    claim="A CNN recognises sounds from their spectrograms.",
    family="convolutional",
    factors={"network": NETS, "speakers": SPEAKERS},
    primary_metric="accuracy",
    contrasts={
        "known": ("cnn/known", 0.9),
        "new": ("cnn/new", 0.5),
        "strangeness": ("cnn/known", "cnn/new"),
        "over_mlp": ("cnn/new", "mlp/new"),
    },
    rule=rule,
    full={"notes": {"steps": 1500}, "spoken_digit": {"steps": 1500}},
    smoke={"steps": 2, "seeds": 2, "channels": 2, "hidden": 4, "network": ("cnn",)},
)


def source(config):
    """Spectrograms in [0, 1], tested on known voices or on new ones."""
    from dljax.sources import loading, speaker_splits

    table = loading.load_dataset(config)
    return (
        speaker_splits.speaker_dependent(table)
        if config.speakers == "known"
        else speaker_splits.speaker_independent(table)
    )


def task(config, source, numbers):
    """Classification by a CNN, or by an MLP of about as many weights."""
    from dljax.models.cnn import cnn, cnn_parameters
    from dljax.models.mlp import mlp, width_for
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw, warmup_cosine

    example, outputs = image_example(source)
    channels = (config.channels, 2 * config.channels)
    if config.network == "cnn":
        net = cnn(channels, config.hidden, outputs, dropout=config.dropout)
    else:
        size = cnn_parameters(example.shape[1:], channels, config.hidden, outputs)
        width = width_for(size, inputs=example[0].size, outputs=outputs)
        net = mlp((width,), outputs, dropout=config.dropout)
    rate = warmup_cosine(config.learning_rate, config.steps, warmup=config.steps // 20)
    return classification(net, adamw(rate), example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
