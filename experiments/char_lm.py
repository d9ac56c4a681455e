"""Does a Transformer predict text better than recurrent networks of equal size?

Claim: "A Transformer predicts text better than a recurrent net of the same size."

Each character of a window is predicted from the characters before it in the window. The
Transformer is compared with a simple recurrent network and an LSTM, each of which has
as many parameters, or as many multiply-adds per character (about 12 % more parameters).
All are trained on the same windows for the same number of updates. The learning rate of
every variant is tuned on validation data. The test loss in nats per character decides.

    python -m experiments.char_lm  # 4 minutes on 2 cores
    python -m experiments.char_lm --dataset=tiny_shakespeare --manual_dir=DIR --full

The default text is Python's language reference. DIR has input.txt. --dataset=text_file
reads a text file, and --tokenizer=word or bpe changes the tokens.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

from .language_models import clipped_adam, next_token, rotary_transformer

NETS = ("rnn", "lstm", "transformer")
EQUAL = ("weights", "operations")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("python_reference", "data set to train on")
    network: str = flag("transformer", "network", choices=NETS, formerly="net")
    match: str = flag(
        "weights",
        "quantity in which a recurrent network equals the Transformer",
        choices=EQUAL,
        formerly="equal",
    )
    tokenizer: str = flag(
        "character",
        "unit of the tokens",
        choices=("word", "character", "bpe"),
        formerly="pieces",
    )
    vocab_size: int = flag(
        1000, "maximum vocabulary size of byte-pair encoding", low=10, formerly="size"
    )
    context: int = flag(64, "context length in tokens", low=2)
    width: int = flag(96, "model width of the Transformer", low=4)
    depth: int = flag(2, "number of blocks of the Transformer", low=1)
    heads: int = flag(4, "attention heads per block", low=1)
    embedding: int = flag(
        64, "size of a token's embedding in a recurrent network", low=1
    )
    learning_rate: float = flag(
        3e-3, "Adam's peak learning rate, after 50 warm-up updates", low=0
    )
    seeds: int = flag(4, "number of seeds", low=1)
    steps: int = flag(150, "number of updates", low=1)
    eval_every: int = flag(75, "updates between validations", low=1)
    batch_size: int = flag(32, "windows per batch", low=1)


def rule(**leads):
    """Supported if the Transformer's loss is below that of the LSTM and of the simple
    recurrent network, both with as many parameters and with as many operations
    (Holm-adjusted tests at 0.05); refuted if it is above the LSTM's in both of these
    comparisons (the same tests); else undecided.
    """
    if all(lead.below(0) for lead in leads.values()):
        return "supported"
    over_lstm = [lead for name, lead in leads.items() if name.startswith("lstm")]
    return "refuted" if all(lead.above(0) for lead in over_lstm) else "undecided"


STUDY = Study(
    claim="A Transformer predicts text better than a recurrent net of the same size.",
    family="transformer",
    factors={"network": NETS, "match": EQUAL},
    design=[
        *({"network": net, "match": equal} for net in NETS[:2] for equal in EQUAL),
        {"network": "transformer", "match": "weights"},
    ],
    vmapped_factors=("learning_rate",),
    tune={"learning_rate": (1e-3, 3e-3, 1e-2, 3e-2)},
    tune_seeds=1,
    primary_metric="loss",
    higher=False,
    contrasts={
        f"{net}_{equal}": ("transformer/weights", f"{net}/{equal}")
        for net in NETS[:2]
        for equal in EQUAL
    },
    rule=rule,
    full=dict.fromkeys(
        ("python_reference", "tiny_shakespeare"),
        {"steps": 2000, "eval_every": 100, "seeds": 8},
    ),
    smoke={"steps": 2, "seeds": 2, "context": 8, "width": 8, "depth": 1}
    | {"network": ("lstm", "transformer"), "match": ("weights",)},
)


def transformer_size(config, vocabulary):
    """The Transformer's number of parameters, and its multiply-adds per token."""
    width, depth, context = config.width, config.depth, config.context
    blocks = depth * (12 * width**2 + 13 * width)
    weights = (vocabulary + 2) * width + blocks
    attention = 2 * depth * context * width
    return weights, depth * 12 * width**2 + attention + width * vocabulary


def recurrent_size(config, vocabulary, hidden):
    """The same of a recurrent network with a hidden state of size `hidden`."""
    parts, memories = {"rnn": (1, 1), "lstm": (4, 2)}[config.network]
    products = parts * hidden * (hidden + config.embedding) + hidden * vocabulary
    others = vocabulary * (config.embedding + 1) + (parts + 2 * memories) * hidden
    return products + others, products


def neurons(config, vocabulary):
    """The largest hidden size that does not exceed the Transformer's size."""
    index = EQUAL.index(config.match)
    size, hidden = transformer_size(config, vocabulary)[index], 1
    while recurrent_size(config, vocabulary, hidden + 1)[index] <= size:
        hidden += 1
    return hidden


def source(config):
    """Windows of text as token ids."""
    from dljax.sources import loading
    from dljax.sources.lm_windows import lm_windows

    return lm_windows(
        loading.load_dataset(config),
        tokenizer=config.tokenizer,
        vocab_size=config.vocab_size,
        context=config.context,
    )


def task(config, source, numbers):
    """Prediction of the next token of a window."""
    from dljax.models.recurrent import recurrent

    learning_rate = numbers.get("learning_rate", config.learning_rate)
    outputs = source.details.vocabulary.size
    if config.network == "transformer":
        net = rotary_transformer(config, source)
    else:
        net = recurrent(
            "decoder",
            config.network,
            neurons(config, outputs),
            outputs,
            vocabulary=outputs,
            embedding=config.embedding,
        )
    optimizer = clipped_adam(learning_rate, config.steps)
    return next_token(net, optimizer, source, max_new_tokens=2 * config.context)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
