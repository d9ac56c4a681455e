"""Do recurrent networks reach the published likelihood on the JSB Chorales?

Claim: "RNN, GRU and LSTM predict the JSB Chorales at 8.91, 8.43 and 8.45 nats a frame."

The numbers are those of Bai, Kolter, Koltun 2018, table 1, for networks of 300,000
parameters: the negative log-likelihood of the next frame, a quarter note, summed over
88 keys and averaged over the frames 2 to T of all test pieces. Learning rate and
dropout rate of every cell are tuned on the validation pieces, and the weights with the
best validation likelihood are tested.

    python -m experiments.reference.jsb_chorales --manual_dir=DIR

DIR has JSB_Chorales.mat (Boulanger-Lewandowski et al. 2012).

The verdict comes after two looks. A first run, of 60 epochs at a constant learning
rate, was refuted; epochs and candidates were then changed by the validation pieces of
other seeds. A second, of seeds 0 to 7, was undecided by a rule that asked for values
within 0.1 of the published ones, where two networks were better. The rule now asks that
no network is worse by 0.1, and the seeds are 8 to 15.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import WHOLE_DATA_SET
from dljax.studies.study import Study

WIDTHS = {"rnn": 466, "gru": 262, "lstm": 223}  # 300,000 parameters each
PUBLISHED = {"rnn": 8.91, "gru": 8.43, "lstm": 8.45}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("piano_roll", "data set to train on", choices=("piano_roll",))
    cell: str = flag("lstm", "recurrent cell", choices=tuple(WIDTHS))
    hidden: int = flag(
        0, "size of the hidden state; 0: the one with 300,000 parameters", low=0
    )
    learning_rate: float = flag(
        3e-3, "Adam's initial learning rate, with cosine decay to 0", low=0
    )
    dropout: float = flag(
        0.3, "dropout rate of the inputs and outputs of each layer", low=0, below=1
    )
    seed: int = flag(
        8, "first seed; 0 to 7 were used for exploration", low=0, below=1_000_000
    )
    seeds: int = flag(8, "number of seeds", low=1)
    epochs: float = flag(100.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "pieces per batch", low=1)


def rule(**excess_losses):
    """Supported if for each cell the mean is less than 0.1 nats above the published
    value (simultaneous intervals); refuted if for one of them it is more than 0.1 nats
    above (simultaneous intervals); else undecided.
    """
    if all(c.below(0.1) for c in excess_losses.values()):
        return "supported"
    return (
        "refuted" if any(c.above(0.1) for c in excess_losses.values()) else "undecided"
    )


STUDY = Study(
    claim="RNN, GRU and LSTM predict the JSB Chorales at 8.91, 8.43 and 8.45 nats a "
    "frame.",
    family="recurrent",
    published="8.91, 8.43, 8.45 (Bai et al. 2018)",
    factors={"cell": tuple(WIDTHS)},
    vmapped_factors=("learning_rate", "dropout"),
    tune={"learning_rate": (1e-3, 5e-3), "dropout": (0.1, 0.2)},
    tune_seeds=1,
    primary_metric="nll",
    higher=False,
    select="best_valid",
    contrasts={cell: (cell, value) for cell, value in PUBLISHED.items()},
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "hidden": 4, "cell": ("lstm",)},
    default_is_full={"piano_roll": WHOLE_DATA_SET},
)


def source(config):
    """Pieces as sequences of frames."""
    from dljax.sources.loading import load_source

    return load_source(config)


def task(config, source, numbers):
    """Prediction of the next frame from all frames before it."""
    import jax.numpy as jnp

    from dljax.models.recurrent import recurrent
    from dljax.sources.resident import updates
    from dljax.tasks.next_frame import next_frame
    from dljax.training.optimizers import adamw, warmup_cosine

    dropout = numbers.get("dropout", config.dropout)
    learning_rate = numbers.get("learning_rate", config.learning_rate)
    steps, keys = source.arrays["roll"].shape[1:]
    hidden = config.hidden or WIDTHS[config.cell]
    net = recurrent("many_to_many", config.cell, hidden, keys, dropout=dropout)
    rate = warmup_cosine(learning_rate, updates(config, source))
    optimizer = adamw(rate, clip=1.0)
    return next_frame(net, optimizer, example=jnp.zeros((1, steps - 1, keys)))


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
