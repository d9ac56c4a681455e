r"""Which components does a Transformer need?

Claim: "Every part of a Transformer makes it predict text better."

One component at a time is removed from a decoder that predicts the next character:
rotary positions, all heads but one, all blocks but one, the residual connections,
normalisation, and attention, without which a prediction depends on the last character
alone. Nothing replaces the component: without attention a third of the parameters is
gone, with one block two thirds. Every variant has the same number of updates, and its
learning rate is tuned on validation data. The test loss in nats per character decides.

    python -m experiments.transformer_parts  # 4 minutes on 2 cores
    python -m experiments.transformer_parts --dataset=tiny_shakespeare \
        --manual_dir=DIR --full

The default text is Python's language reference. DIR has input.txt. --dataset=text_file
reads a text file.
"""

import dataclasses
import sys
from typing import Any

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

from .language_models import clipped_adam, next_token, rotary_transformer

CHANGES: dict[str, dict[str, Any]] = {
    "none": {},
    "positions": {"positions": "none"},
    "heads": {"heads": 1},
    "depth": {"depth": 1},
    "residual": {"residual": False},
    "norm": {"norm": "none"},
    "attention": {"attention": False},
}
PARTS = tuple(name for name in CHANGES if name != "none")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("python_reference", "data set to train on")
    ablate: str = flag(
        "none",
        "component that is removed",
        choices=tuple(CHANGES),
        formerly="without",
    )
    context: int = flag(64, "context length in characters", low=2)
    width: int = flag(64, "model width", low=4)
    depth: int = flag(3, "number of blocks", low=1)
    heads: int = flag(4, "attention heads per block", low=1)
    learning_rate: float = flag(
        3e-3, "Adam's peak learning rate, after 50 warm-up updates", low=0
    )
    seeds: int = flag(4, "number of seeds", low=1)
    steps: int = flag(80, "number of updates", low=1)
    eval_every: int = flag(40, "updates between validations", low=1)
    batch_size: int = flag(32, "windows per batch", low=1)


def rule(**losses):
    """Supported if the removal of each component increases the loss (Holm-adjusted
    tests at 0.05); if not, refuted if for one component the increase is below 0.01 nats
    (simultaneous intervals); else undecided.
    """
    if all(loss.above(0) for loss in losses.values()):
        return "supported"
    useless = any(loss.below(0.01) for loss in losses.values())
    return "refuted" if useless else "undecided"


STUDY = Study(
    claim="Every part of a Transformer makes it predict text better.",
    family="transformer",
    factors={"ablate": tuple(CHANGES)},
    vmapped_factors=("learning_rate",),
    tune={"learning_rate": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)},
    tune_seeds=1,
    primary_metric="loss",
    higher=False,
    contrasts={part: (part, "none") for part in PARTS},
    rule=rule,
    full=dict.fromkeys(
        ("python_reference", "tiny_shakespeare"),
        {"steps": 1000, "eval_every": 50, "seeds": 8},
    ),
    smoke={"steps": 2, "seeds": 2, "context": 8, "width": 8, "depth": 1}
    | {"ablate": ("none", "attention")},
)


def source(config):
    """Windows of text as token ids."""
    from dljax.sources import loading
    from dljax.sources.lm_windows import lm_windows

    return lm_windows(loading.load_dataset(config), context=config.context)


def task(config, source, numbers):
    """Prediction of the next token of a window."""
    learning_rate = numbers.get("learning_rate", config.learning_rate)
    net = rotary_transformer(config, source, **CHANGES[config.ablate])
    optimizer = clipped_adam(learning_rate, config.steps)
    return next_token(net, optimizer, source, max_new_tokens=2 * config.context)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
