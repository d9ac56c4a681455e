"""What does the recurrent connection of a recurrent network add?

Claim: "A recurrent net's hidden state, fed back, remembers what came before."

An image is the input row by row, and the hidden state after the last row is classified.
The hidden state is kept over all eight rows, or reset to 0 every four, two or one rows.
With a reset at every row there is no recurrence, and the prediction depends on the last
row alone. The rule looks at the loss of test accuracy, with the simple cell and with
LSTM.

    python -m experiments.recurrence  # about a minute
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.errors import UserError
from dljax.studies.full_size import DIGITS_TWICE
from dljax.studies.study import Study

CELLS = ("rnn", "lstm")
ROWS = (8, 4, 2, 1)  # after which the hidden state is reset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    cell: str = flag("rnn", "recurrent cell", choices=("rnn", "gru", "lstm"))
    reset_every: int = flag(
        8, "rows after which the hidden state is reset", low=1, formerly="rows"
    )
    hidden: int = flag(64, "size of the hidden state", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(40.0, "passes over the training data", low=0)


def rule(**costs):
    """Supported if for both cells a reset of the hidden state at every row lowers the
    accuracy by more than 20 percentage points (simultaneous intervals), and a reset
    every four rows lowers it (Holm-adjusted tests at 0.05); if not, refuted if for one
    of the cells the reset at every row lowers it by less than 5 percentage points
    (simultaneous intervals); else undecided.
    """
    rows, fours = ([costs[f"{c}_every_{n}"] for c in CELLS] for n in ("row", "four"))
    if all(c.above(0.2) for c in rows) and all(c.above(0) for c in fours):
        return "supported"
    return "refuted" if any(c.below(0.05) for c in rows) else "undecided"


STUDY = Study(
    claim="A recurrent net's hidden state, fed back, remembers what came before.",
    family="recurrent",
    factors={"cell": CELLS, "reset_every": ROWS},
    primary_metric="accuracy",
    contrasts={
        f"{cell}_{name}": (f"{cell}/8", f"{cell}/{rows}")
        for cell in CELLS
        for name, rows in (("every_row", 1), ("every_four", 4))
    },
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "hidden": 4, "reset_every": (8, 1)},
    default_is_full={"digits": DIGITS_TWICE},
)


def source(config):
    """Images of the data set."""
    from dljax.sources.loading import load_source

    return load_source(config)


def task(config, source, numbers):
    """Classification from the hidden state after the last row."""
    from dljax.models.net import map_inputs
    from dljax.models.recurrent import image_rows, recurrent
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    example, outputs = image_example(source)
    if example.shape[1] > max(ROWS):
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={source.name}: its images have {example.shape[1]} rows, and "
            f"at most {max(ROWS)} are supported; give a smaller --resize",
        )
    net = recurrent(
        "many_to_one",
        config.cell,
        config.hidden,
        outputs,
        reset_every=config.reset_every,
    )
    rate = config.learning_rate
    return classification(map_inputs(net, image_rows), adamw(rate), example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
