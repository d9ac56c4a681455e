"""Do gated cells remember longer than the simple recurrent cell?

Claim: "Gated cells remember longer sequences than the simple recurrent cell."

An image is the input row by row, or in quarters of a row, so that the sequence is four
times as long. The hidden state after the last step is classified. The rule asks whether
GRU and LSTM are more accurate than the simple cell over the long sequence, and whether
their lead is larger than over the short one. The learning rate of every variant is
tuned on validation data.

    python -m experiments.row_mnist  # digits
    python -m experiments.row_mnist --dataset=mnist --manual_dir=DIR --full
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

CELLS = ("rnn", "gru", "lstm")
GATED = ("gru", "lstm")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    cell: str = flag("lstm", "recurrent cell", choices=CELLS)
    steps_per_row: int = flag(1, "time steps per row", low=1, formerly="parts")
    hidden: int = flag(64, "size of the hidden state", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(30.0, "passes over the training data", low=0)


def rule(**leads):
    """Supported if with four steps per row both GRU and LSTM have a higher accuracy
    than the simple cell, and a larger lead over it than with one step per row
    (Holm-adjusted tests at 0.05); if not, refuted if with four steps per row the leads
    of GRU and LSTM are both below 1 percentage point (simultaneous intervals); else
    undecided.
    """
    if all(leads[f"{c}_{what}"].above(0) for c in GATED for what in ("long", "more")):
        return "supported"
    useless = all(leads[f"{c}_long"].below(0.01) for c in GATED)
    return "refuted" if useless else "undecided"


STUDY = Study(
    claim="Gated cells remember longer sequences than the simple recurrent cell.",
    family="recurrent",
    factors={"cell": CELLS, "steps_per_row": (1, 4)},
    vmapped_factors=("learning_rate",),
    tune={"learning_rate": (1e-3, 3e-3, 1e-2)},
    primary_metric="accuracy",
    contrasts={
        **{f"{c}_long": (f"{c}/4", "rnn/4") for c in GATED},
        **{f"{c}_more": (f"{c}/4 - rnn/4", f"{c}/1 - rnn/1") for c in GATED},
    },
    rule=rule,
    full={"mnist": {"epochs": 2.0, "seeds": 8}},
    smoke={
        "steps": 3,
        "seeds": 2,
        "hidden": 4,
        "cell": ("rnn", "lstm"),
        "steps_per_row": (1,),
    },
)


def source(config):
    """Images of the data set."""
    from dljax.sources.loading import load_source

    return load_source(config)


def task(config, source, numbers):
    """Classification from the hidden state after the last step."""
    from dljax.errors import UserError
    from dljax.models.net import map_inputs
    from dljax.models.recurrent import recurrent
    from dljax.sources.examples import image_example
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    learning_rate = numbers.get("learning_rate", config.learning_rate)
    example, outputs = image_example(source)
    _, _, width, channels = example.shape
    if width % config.steps_per_row:
        raise UserError(
            "image-not-divisible",
            f"--steps_per_row={config.steps_per_row}: does not divide a row of "
            f"{width} pixels; give a divisor",
        )
    features = width // config.steps_per_row * channels
    net = recurrent("many_to_one", config.cell, config.hidden, outputs)
    net = map_inputs(net, lambda x: x.reshape(x.shape[0], -1, features))
    optimizer = adamw(learning_rate, clip=1.0)
    return classification(net, optimizer, example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
