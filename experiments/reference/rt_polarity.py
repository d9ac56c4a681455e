"""Does a recurrent network with random embeddings reach 75 % on film reviews?

Claim: "A recurrent net with random embeddings tells 75 % of rt-polarity's sentences."

The data set has 10,662 sentences in ten folds. Kim 2014 (table 2, CNN-rand) reports
76.1 % for a CNN whose embeddings are initialised at random, as they are here. The
network differs, and was fixed beforehand: a bidirectional LSTM with max pooling over
the words. Each seed tests on one fold, and its epoch is chosen on another fold, which
is not trained on.

    python -m experiments.reference.rt_polarity --manual_dir=DIR
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import WHOLE_DATA_SET
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("rt_polarity", "data set to train on")
    cell: str = flag("lstm", "recurrent cell", choices=("rnn", "gru", "lstm"))
    hidden: int = flag(128, "size of the hidden state in each direction", low=1)
    embedding: int = flag(128, "size of a word's embedding", low=1)
    dropout: float = flag(
        0.6, "dropout rate of the inputs and outputs of each layer", low=0, below=1
    )
    learning_rate: float = flag(1e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds; each is a fold", low=1)
    epochs: float = flag(6.0, "passes over the training data", low=0)
    batch_size: int = flag(50, "examples per batch", low=1)


def rule(accuracy):
    """Supported if the mean accuracy over the ten folds is above 75 % (t test at 0.05
    with the variance of Nadeau and Bengio); refuted if it is below 75 % (the same
    test); else undecided.
    """
    if accuracy.above(0):
        return "supported"
    return "refuted" if accuracy.below(0) else "undecided"


STUDY = Study(
    claim="A recurrent net with random embeddings tells 75 % of rt-polarity's "
    "sentences.",
    family="recurrent",
    published="76.1 % (Kim 2014, CNN-rand)",
    factors={"cell": ("lstm",)},
    primary_metric="accuracy",
    select="best_valid",
    contrasts={"accuracy": ("lstm", 0.75)},
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "hidden": 4, "embedding": 4},
    default_is_full={"rt_polarity": WHOLE_DATA_SET},
)


def source(config):
    """Labelled sentences as token ids."""
    from dljax.sources import loading
    from dljax.sources.sentences import labelled_sentences

    return labelled_sentences(loading.load_dataset(config), max_len=60)


def task(config, source, numbers):
    """Classification as negative or positive."""
    from dljax.models.recurrent import recurrent
    from dljax.sources.examples import example_batch
    from dljax.sources.sentences import sentence_inputs
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    net = recurrent(
        "many_to_one",
        config.cell,
        config.hidden,
        len(source.classes),
        vocabulary=source.details.vocabulary_size,
        embedding=config.embedding,
        bidirectional=True,
        pool="max",
        dropout=config.dropout,
    )
    optimizer = adamw(config.learning_rate, clip=1.0)
    inputs = example_batch(source, "x", "mask")
    return classification(net, optimizer, example=inputs, inputs_of=sentence_inputs)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
