"""Over how many steps does an LSTM remember its input?

Claim: "An LSTM keeps what it needs in memory, however long the sequence."

In the copy task ten symbols of eight kinds are followed by blanks and a delimiter, and
then have to be predicted in their order. The accuracy of the ten predictions decides,
with 3 to 100 blanks. Chance is 1/8, at a loss of 10 ln 8 / (blanks + 20) nats per step.
The learning rate of every cell is tuned on validation data. The number of updates is
fixed, so that the verdict holds for this length of training.

    python -m experiments.lstm_memory
    python -m experiments.lstm_memory --full  # an hour on 2 cores
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

CELLS = ("rnn", "gru", "lstm")
BLANKS = (3, 10, 30, 100)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("copying", "data set to train on", choices=("copying",))
    cell: str = flag("lstm", "recurrent cell", choices=CELLS)
    blanks: int = flag(30, "blank steps between the symbols and their recall", low=1)
    hidden: int = flag(128, "size of the hidden state", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(8, "number of seeds", low=1)
    steps: int = flag(600, "number of updates", low=1)
    batch_size: int = flag(32, "examples per batch", low=1)


def rule(**recalls):
    """Supported if the LSTM predicts more than 90 % of the symbols for every number of
    blanks (Holm-adjusted tests at 0.05); refuted if it predicts less than 90 % for one
    of them (the same tests); else undecided.
    """
    if all(c.above(0) for c in recalls.values()):
        return "supported"
    return "refuted" if any(c.below(0) for c in recalls.values()) else "undecided"


STUDY = Study(
    claim="An LSTM keeps what it needs in memory, however long the sequence.",
    family="recurrent",
    factors={"cell": CELLS, "blanks": BLANKS},
    vmapped_factors=("learning_rate",),
    tune={"learning_rate": (1e-3, 4e-3)},
    tune_seeds=1,
    primary_metric="accuracy",
    contrasts={f"lstm_{n}": (f"lstm/{n}", 0.9) for n in BLANKS},
    rule=rule,
    sizes={"copying": {"blanks": BLANKS[:3]}},
    full={"copying": {"steps": 4000, "blanks": BLANKS}},
    smoke={"steps": 3, "seeds": 2, "hidden": 4, "cell": ("rnn", "lstm")}
    | {"blanks": (10,)},
)


def source(config):
    """Sequences of the given length."""
    from dljax.sources.synthetic import copying

    return copying(config.blanks)


def task(config, source, numbers):
    """Prediction of the symbol of each step, by a recurrent network."""
    from dljax.training.optimizers import adamw

    learning_rate = numbers.get("learning_rate", config.learning_rate)
    optimizer = adamw(learning_rate, clip=1.0)
    return recall(config.cell, config.hidden, source, optimizer)


def recall(cell, hidden, source, optimizer):
    """The copy task for a recurrent network with one-hot inputs."""
    from dljax.models.recurrent import recurrent
    from dljax.sources.examples import example_batch
    from dljax.sources.synthetic import GO
    from dljax.tasks.tokens import tokens

    symbols = GO + 1
    net = recurrent(
        "many_to_many", cell, hidden, symbols, vocabulary=symbols, embedding=symbols
    )
    inputs = example_batch(source, "x")["x"]
    return tokens(net, optimizer, example=inputs, accuracy_mask_key="recall_mask")


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
