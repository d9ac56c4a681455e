r"""Does a CNN recognise sounds, also those of speakers that it was not trained on?

Claim: "A CNN recognises sounds from their spectrograms."

A CNN classifies the spectrogram of a sound: the family of an instrument, or a spoken
digit. It is tested on speakers or instruments of the training data (`known`), and on
others (`new`): each fifth of them is left out in turn. An MLP of about as many
parameters is reported. The test accuracy decides.

    python -m experiments.audio_classification  # 2 minutes on 2 cores
    python -m experiments.audio_classification --dataset=spoken_digit \
        --manual_dir=DIR --full

The default data are single notes of 128 instruments (extra `music`). DIR has the
archive of the Free Spoken Digit Dataset 1.0.9. --dataset=audio_folder reads WAV files.
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
        "known",
        "speakers of the test set: those of the training set, or new ones",
        choices=SPEAKERS,
        formerly="voices",
    )
    channels: int = flag(
        16, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(64, "width of the fully connected layer", low=1)
    dropout: float = flag(
        0.3, "dropout rate of the fully connected layer", low=0, below=1
    )
    learning_rate: float = flag(2e-3, "Adam's peak learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    steps: int = flag(500, "number of updates", low=1)
    batch_size: int = flag(64, "sounds per batch", low=1)


def rule(known, new, **others):
    """Supported if the CNN's accuracy is above 90 % on known speakers and above 50 % on
    new speakers (Holm-adjusted tests at 0.05); refuted if it is below 90 % on known
    speakers or below 50 % on new ones (the same tests); else undecided. The difference
    between known and new speakers and the CNN's lead over the MLP are reported and
    decide nothing.
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
    """Spectrograms in [0, 1], tested on known or on new speakers."""
    from dljax.sources import loading, speaker_splits

    table = loading.load_dataset(config)
    return (
        speaker_splits.speaker_dependent(table)
        if config.speakers == "known"
        else speaker_splits.speaker_independent(table)
    )


def task(config, source, numbers):
    """Classification by a CNN, or by an MLP with about as many parameters."""
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
