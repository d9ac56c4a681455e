"""Which components does an LSTM need?

Claim: "An LSTM needs its gates: what to write, what to keep, what to show."

One component at a time is removed from the cell: each of the three gates, the
activation of the candidate (`input_activation`) and of the output
(`output_activation`). The variant `coupled` has 1 - input gate as forget gate (Greff et
al. 2017). An image is the input as a sequence of a few pixels per step, and the hidden
state after the last step is classified. The learning rate of every variant is tuned on
validation data. The rule looks at the loss of test accuracy without each gate.

    python -m experiments.lstm_gates  # digits; 2 minutes on 2 cores
    python -m experiments.lstm_gates --dataset=mnist --manual_dir=DIR --full
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

GATES = ("input_gate", "forget_gate", "output_gate")
PARTS = (*GATES, "input_activation", "output_activation", "coupled")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    ablate: str = flag(
        "none",
        "component that is removed from the cell",
        choices=("none", *PARTS),
        formerly="without",
    )
    pixels_per_step: int = flag(
        1,
        "pixels per time step (the image's width: one row per step)",
        low=1,
        formerly="pixels",
    )
    hidden: int = flag(32, "size of the hidden state", low=1)
    learning_rate: float = flag(1e-2, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(20.0, "passes over the training data", low=0)
    batch_size: int = flag(32, "examples per batch", low=1)


def rule(**costs):
    """Supported if the removal of each of the three gates lowers the accuracy
    (Holm-adjusted tests at 0.05 over all six contrasts); if not, refuted if for one of
    the gates the loss of accuracy is below 2 percentage points (simultaneous
    intervals); else undecided. The removal of either activation and the coupled gates
    are reported and decide nothing.
    """
    if all(costs[gate].above(0) for gate in GATES):
        return "supported"
    needless = any(costs[gate].below(0.02) for gate in GATES)
    return "refuted" if needless else "undecided"


STUDY = Study(
    claim="An LSTM needs its gates: what to write, what to keep, what to show.",
    family="recurrent",
    factors={"ablate": ("none", *PARTS)},
    vmapped_factors=("learning_rate",),
    tune={"learning_rate": (3e-3, 1e-2, 3e-2)},
    primary_metric="accuracy",
    contrasts={part: ("none", part) for part in PARTS},
    rule=rule,
    full={
        "mnist": {
            "epochs": 3.0,
            "seeds": 8,
            "pixels_per_step": 28,
            "hidden": 64,
            "batch_size": 64,
        }
    },
    smoke={"steps": 3, "seeds": 2, "hidden": 4, "ablate": ("none", "forget_gate")},
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
    cell = "lstm" if config.ablate == "none" else f"lstm_{config.ablate}"
    net = recurrent("many_to_one", cell, config.hidden, outputs)
    pixels = example[0, ..., 0].size
    if pixels % config.pixels_per_step:
        raise UserError(
            "image-not-divisible",
            f"--pixels_per_step={config.pixels_per_step}: does not divide the "
            f"{pixels} pixels of an image; give a divisor",
        )
    width = config.pixels_per_step * example.shape[-1]
    net = map_inputs(net, lambda x: x.reshape(x.shape[0], -1, width))
    optimizer = adamw(learning_rate, clip=1.0)
    return classification(net, optimizer, example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
