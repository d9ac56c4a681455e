"""Can a recurrent network classify the sentiment of a sentence?

Claim: "Recurrent networks of many to one read the sentiment of a sentence."

The network reads a sentence word by word, and the hidden state after the last word is
classified as negative or positive. The baseline is a linear classifier of a bag of
words, which ignores their order; the control is an LSTM whose words are in a random
order. A simple cell, GRU, a bidirectional LSTM and a Transformer are reported. Learning
rate and dropout rate of every variant are tuned on validation data, and the weights
with the best validation accuracy are tested.

    python -m experiments.sentiment  # 4 minutes on 2 cores
    python -m experiments.sentiment --dataset=rt_polarity --manual_dir=DIR --full

The default data are the words of VADER's lexicon, with their ratings, character by
character. DIR has rt-polarity.neg and rt-polarity.pos. --dataset=labelled_text reads
files of sentences and labels.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import WHOLE_DATA_SET
from dljax.studies.study import Study

MODELS = ("bag", "rnn", "gru", "lstm", "bilstm", "transformer")
ORDERS = ("written", "shuffled")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("lexicon", "data set to train on")
    model: str = flag("lstm", "classifier; bag: a bag of words", choices=MODELS)
    order: str = flag("written", "order of the words of each sentence", choices=ORDERS)
    tokenizer: str = flag(
        "character",
        "unit of the tokens",
        choices=("word", "character"),
        formerly="pieces",
    )
    max_len: int = flag(
        60,
        "maximum length of a sentence in tokens; the rest is cut off",
        low=1,
        formerly="longest",
    )
    hidden: int = flag(64, "size of the hidden state", low=1)
    embedding: int = flag(64, "size of a token's embedding", low=1)
    dropout: float = flag(
        0.3, "dropout rate of the inputs and outputs of each layer", low=0, below=1
    )
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds", low=1)
    epochs: float = flag(4.0, "passes over the training data", low=0)


def rule(accuracy, over_bag, **others):
    """Supported if the LSTM's accuracy is above 70 % and above that of the bag of words
    (Holm-adjusted tests at 0.05); refuted if it is below 60 % (simultaneous interval)
    or below that of the bag of words (Holm-adjusted test at 0.05); else undecided. The
    comparisons with shuffled words, the bidirectional LSTM, the simple cell and the
    Transformer are reported and decide nothing.
    """
    del others  # reported
    if accuracy.above(0) and over_bag.above(0):
        return "supported"
    return "refuted" if accuracy.below(-0.1) or over_bag.below(0) else "undecided"


STUDY = Study(
    claim="Recurrent networks of many to one read the sentiment of a sentence.",
    family="recurrent",
    factors={"model": MODELS, "order": ORDERS},
    design=[
        *({"model": model, "order": "written"} for model in MODELS),
        {"model": "lstm", "order": "shuffled"},
    ],
    vmapped_factors=("learning_rate", "dropout"),
    tune={"learning_rate": (1e-3, 3e-3), "dropout": (0.3, 0.6)},
    tune_seeds=2,
    primary_metric="accuracy",
    select="best_valid",
    contrasts={
        "accuracy": ("lstm/written", 0.7),
        "over_bag": ("lstm/written", "bag/written"),
        "order": ("lstm/written", "lstm/shuffled"),
        "both_ways": ("bilstm/written", "lstm/written"),
        "gates": ("lstm/written", "rnn/written"),
        "attention": ("transformer/written", "lstm/written"),
    },
    rule=rule,
    sizes={
        name: {"tokenizer": "word", "epochs": 5.0}
        for name in ("rt_polarity", "vader", "labelled_text")
    },
    smoke={"steps": 3, "seeds": 2, "hidden": 4, "embedding": 4}
    | {"model": ("bilstm",), "order": ("written",)},
    default_is_full={"rt_polarity": WHOLE_DATA_SET},
)


def source(config):
    """Labelled sentences as token ids."""
    from dljax.sources import loading
    from dljax.sources.sentences import labelled_sentences

    return labelled_sentences(
        loading.load_dataset(config),
        tokenizer=config.tokenizer,
        max_len=config.max_len,
        shuffled=config.order == "shuffled",
    )


def task(config, source, numbers):
    """Classification as negative or positive, after the last token."""
    from dljax.models.mlp import bag_of_words
    from dljax.models.recurrent import recurrent
    from dljax.models.transformer import transformer
    from dljax.sources.examples import example_batch
    from dljax.sources.sentences import sentence_inputs
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    dropout = numbers.get("dropout", config.dropout)
    learning_rate = numbers.get("learning_rate", config.learning_rate)
    classes, size = len(source.classes), source.details.vocabulary_size
    if config.model == "bag":
        net = bag_of_words(size, classes, dropout=dropout)
    elif config.model == "transformer":
        net = transformer(
            "encoder",
            config.hidden,
            classes,
            vocabulary=size,
            max_len=source.arrays["x"].shape[1],
            dropout=dropout,
        )
    else:
        net = recurrent(
            "many_to_one",
            config.model.removeprefix("bi"),
            config.hidden,
            classes,
            vocabulary=size,
            embedding=config.embedding,
            bidirectional=config.model == "bilstm",
            dropout=dropout,
        )
    optimizer = adamw(learning_rate, clip=1.0)
    inputs = example_batch(source, "x", "mask")
    return classification(net, optimizer, example=inputs, inputs_of=sentence_inputs)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
