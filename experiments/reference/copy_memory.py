"""Does a simple recurrent network remember nothing in the copy task, as published?

Claim: "On the copy task with 1,000 steps a simple recurrent net remembers nothing."

A predictor without memory predicts blanks, and then one of eight symbols ten times: its
loss is 10 ln 8 / 1,020 = 0.02039 nats per step. Bai, Kolter, Koltun 2018 (table 1,
16,000 parameters) report 0.0202 for a simple recurrent network, 0.0204 for an LSTM and
0.0197 for a GRU, which are all near that loss. As in the paper, there are 10,000
training examples, RMSprop has a learning rate of 5e-4, and gradients are clipped to a
norm of 1.

    python -m experiments.reference.copy_memory  # half an hour on 2 cores
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import WHOLE_TASK
from dljax.studies.study import Study

from ..lstm_memory import recall

LENGTH = 1000
LINE = 0.0203869  # 10 ln 8 / (1,000 + 20)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("copying", "data set to train on", choices=("copying",))
    cell: str = flag("rnn", "recurrent cell", choices=("rnn", "gru", "lstm"))
    length: int = flag(
        LENGTH, "blank steps per sequence, besides 20 steps of symbols", low=1
    )
    hidden: int = flag(116, "size of the hidden state; 116: 16,000 parameters", low=1)
    learning_rate: float = flag(5e-4, "RMSprop's learning rate", low=0)
    seeds: int = flag(8, "number of seeds", low=1)
    epochs: float = flag(10.0, "passes over the training data", low=0)
    batch_size: int = flag(32, "examples per batch", low=1)


def rule(excess_loss):
    """Supported if the mean loss is equivalent to that of a predictor without memory
    within 0.0002 nats per step (two one-sided tests); refuted if it is more than 0.0002
    nats below (simultaneous interval); else undecided.
    """
    if excess_loss.within(0.0002):
        return "supported"
    return "refuted" if excess_loss.below(-0.0002) else "undecided"


STUDY = Study(
    claim="On the copy task with 1,000 steps a simple recurrent net remembers nothing.",
    family="recurrent",
    published="0.0202 (Bai et al. 2018); without memory 0.02039",
    factors={"cell": ("rnn",)},
    primary_metric="loss",
    higher=False,
    contrasts={"excess_loss": ("rnn", LINE)},
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "hidden": 4, "length": 10},
    default_is_full={"copying": WHOLE_TASK},
)


def source(config):
    """Sequences of the given length."""
    from dljax.sources.synthetic import copying

    return copying(config.length)


def task(config, source, numbers):
    """Prediction of the symbol of each step, by a recurrent network."""
    import optax

    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.rmsprop(config.learning_rate, decay=0.99, eps=1e-8),
    )
    return recall(config.cell, config.hidden, source, optimizer)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
