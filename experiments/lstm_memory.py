"""How long does an LSTM keep something in memory?

Claim: "An LSTM keeps what it needs in memory, however long the sequence."

The copy task: ten symbols of eight are shown, then blanks for some steps, then a sign,
and the ten symbols are to be said in their order. Measured is which share of the ten is
right; who remembers nothing is right in 1 of 8, at 10 ln 8 / (blanks + 20) nats a step.
Every cell has its learning rate tuned.

    python -m experiments.lstm_memory
    python -m experiments.lstm_memory --full
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
    cell: str = flag("lstm", "the recurrent cell", choices=CELLS)
    blanks: int = flag(30, "steps between what is shown and what is asked", low=1)
    hidden: int = flag(128, "neurons of the hidden state", low=1)
    learning_rate: float = flag(3e-3, "Adam's", low=0)
    seeds: int = flag(8, "how many seeds", low=1)
    steps: int = flag(600, "updates", low=1)
    batch_size: int = flag(32, "examples an update", low=1)


def rule(**recalls):
    """Supported if the LSTM says more than 90 % of the symbols over every number of
    blanks (simultaneous intervals); refuted if it says less over any; else undecided.
    """
    if all(c.above(0) for c in recalls.values()):
        return "supported"
    return "refuted" if any(c.below(0) for c in recalls.values()) else "undecided"


STUDY = Study(
    claim="An LSTM keeps what it needs in memory, however long the sequence.",
    factors={"cell": CELLS, "blanks": BLANKS},
    array=("learning_rate",),
    tune={"learning_rate": (1e-3, 4e-3)},
    tune_seeds=1,
    measure="accuracy",
    contrasts={f"lstm_{n}": (f"lstm/{n}", 0.9) for n in BLANKS},
    rule=rule,
    sizes={"copying": {"blanks": BLANKS[:3]}},
    full={"copying": {"steps": 4000, "blanks": BLANKS}},
    smoke={"steps": 3, "seeds": 2, "hidden": 4, "cell": ("rnn", "lstm")}
    | {"blanks": (10,)},
)


def source(config):
    """Sequences, of one length."""
    from dljax.data.synthetic import copying

    return copying(config.blanks)


def task(config):
    """What is to be said at each step, from the memory after it."""
    import jax.numpy as jnp

    from dljax.data.synthetic import GO
    from dljax.models.recurrent import recurrent
    from dljax.tasks.tokens import tokens
    from dljax.train.optimizers import adamw

    symbols = GO + 1
    net = recurrent(
        "many_to_many",
        config.cell,
        config.hidden,
        symbols,
        vocabulary=symbols,
        embedding=symbols,
    )
    example = jnp.zeros((1, config.blanks + 20), jnp.int32)
    optimizer = adamw(config.learning_rate, clip=1.0)
    return tokens(net, optimizer, example=example, asked="asked")


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
