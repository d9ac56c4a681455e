"""Which parts of an LSTM does it need?

Claim: "An LSTM needs its gates: what to write, what to keep, what to show."

Each gate and each activation is taken away in turn, as Greff et al. 2017 did; one
variant has a single gate for writing and keeping. An image is read a few pixels at a
time, and named after the last ones. Every variant has its learning rate tuned.

    python -m experiments.lstm_gates                                  # digits
    python -m experiments.lstm_gates --dataset=mnist --manual_dir=DIR --full

MNIST row by row, --full (3 epochs, 8 seeds), about ten minutes on 2 x86-64 cores:
refuted, for sequences of 28 steps. Test accuracy with 95 % intervals: whole 97.8 %
(97.7 to 98.0); without the input gate 96.8, the forget gate 97.2, the output gate 97.6,
the candidate's activation 97.5, the output's 97.8, with one gate for both 97.5 %.
Simultaneous intervals of what that costs, in points: input gate 1.0 (0.7 to 1.4),
forget gate 0.6 (0.1 to 1.2), output gate 0.2 (-0.4 to 0.8), candidate's activation 0.4
(-0.2 to 0.9), output's 0.0 (-0.4 to 0.4), one for both 0.3 (-0.1 to 0.7). Two of the
three gates are worth something, none two points. Digits pixel by pixel, 64 steps, 10
seeds, two minutes: folds vary too much to decide; whole 88.9 %, without the input gate
79.4, the forget gate 71.9, the output gate 86.8 %.
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
        "pixels of a time step; the image's width: row by row",
        low=1,
        formerly="pixels",
    )
    hidden: int = flag(32, "size of the hidden state", low=1)
    learning_rate: float = flag(1e-2, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds: two rounds of the five folds", low=1)
    epochs: float = flag(20.0, "passes over the training data", low=0)
    batch_size: int = flag(32, "examples in a batch", low=1)


def rule(**costs):
    """Supported if taking away each of the three gates costs accuracy (Holm, 0.05, over
    all six parts); if not, refuted if for one of the gates it costs less than 2 points
    (simultaneous intervals); else undecided.
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
    """The images."""
    from dljax.sources.loading import load_source

    return load_source(config)


def task(config, source, numbers):
    """Classification from the memory after the last step."""
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
            f"--pixels_per_step={config.pixels_per_step}: must divide the {pixels} of "
            "an image",
        )
    width = config.pixels_per_step * example.shape[-1]
    net = map_inputs(net, lambda x: x.reshape(x.shape[0], -1, width))
    optimizer = adamw(learning_rate, clip=1.0)
    return classification(net, optimizer, example=example)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
