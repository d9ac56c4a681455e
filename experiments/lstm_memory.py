"""How long does an LSTM keep something in memory?

Claim: "An LSTM keeps what it needs in memory, however long the sequence."

The copy task: ten symbols of eight are shown, then blanks for some steps, then a sign,
and the ten symbols are to be said in their order. Measured is which share of the ten is
right; who remembers nothing is right in 1 of 8, at 10 ln 8 / (blanks + 20) nats a step.
Every cell has its learning rate tuned.

    python -m experiments.lstm_memory
    python -m experiments.lstm_memory --full

--full (4,000 updates, 8 seeds), an hour on 2 slow x86-64 cores with other work beside
it: refuted. What is right of the ten symbols, with 95 % intervals, over

    blanks      3                     10                    30                    100
    RNN   92.0 % (90.4 to 93.5)  16.1 % (13.5 to 18.6)  12.7 % (12.1 to 13.2)  12.7 %
    GRU   81.5 % (70.7 to 92.3)  63.4 % (57.4 to 69.3)  55.7 % (47.4 to 63.9)  43.5 %
    LSTM  89.1 % (77.6 to 100)   55.3 % (41.0 to 69.5)  22.7 % (18.1 to 27.3)  15.5 %

of which 12.5 % is chance. LSTM is nearer to the simple cell than to keeping all: over
10 blanks it is below 90 % by 34.7 (14.6 to 54.8) points, over 100 by 74.5 (70.4 to
78.6, simultaneous intervals), little above chance. GRU keeps more. Both still learned
when the updates were over, so that it is of 4,000 updates that this is said.
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
    blanks: int = flag(30, "steps between what is shown and what is asked", low=1)
    hidden: int = flag(128, "size of the hidden state", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(8, "number of seeds", low=1)
    steps: int = flag(600, "updates", low=1)
    batch_size: int = flag(32, "examples in a batch", low=1)


def rule(**recalls):
    """Supported if the LSTM says more than 90 % of the symbols over every number of
    blanks (simultaneous intervals); refuted if it says less over any; else undecided.
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
    """Sequences, of one length."""
    from dljax.sources.synthetic import copying

    return copying(config.blanks)


def task(config, source, numbers):
    """The symbols of each step, from the hidden state after it."""
    from dljax.training.optimizers import adamw

    learning_rate = numbers.get("learning_rate", config.learning_rate)
    optimizer = adamw(learning_rate, clip=1.0)
    return recall(config.cell, config.hidden, source, optimizer)


def recall(cell, hidden, source, optimizer):
    """The task of naming the symbols of the copy task, by a recurrent net of one-hot
    inputs.
    """
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
