r"""Which parts of a Transformer does it need?

Claim: "Every part of a Transformer makes it predict text better."

One part at a time is taken away from a Transformer that tells each character of a text
from those before it: the rotation that tells positions, all heads but one, all blocks
but one, the sum with what a part was given, normalisation, and attention itself,
without which a character can only be told from the one before it. Nothing is put in a
part's place: without attention a third fewer weights are left, with one block two
thirds fewer. Every variant makes as many updates and has its learning rate tuned on
validation data.

    python -m experiments.transformer_parts  # 4 minutes on 2 cores
    python -m experiments.transformer_parts --dataset=tiny_shakespeare \
        --manual_dir=DIR --full

By default the text is Python's reference; DIR has input.txt; or --dataset=text_file and
your own.

Undecided: without normalisation it is not known to be worse. Tiny Shakespeare, 8 seeds,
1,000 updates, 87 minutes on one x86-64 core beside other work, nats a character, and
how many more than with all parts (simultaneous intervals):

    none          1.830 (1.819 to 1.841)   rate 0.01
    norm          1.843 (1.830 to 1.856)   +0.013 (-0.015 to +0.042), rate 0.01
    heads         1.864 (1.844 to 1.885)   +0.035 (+0.007 to +0.062), rate 0.003
    depth         1.982 (1.971 to 1.993)   +0.152 (+0.127 to +0.177), rate 0.003
    residual      2.111 (2.074 to 2.149)   +0.282 (+0.224 to +0.339), rate 0.001
    positions     2.121 (2.094 to 2.149)   +0.291 (+0.244 to +0.339), rate 0.003
    attention     2.489 (2.487 to 2.490)   +0.659 (+0.642 to +0.676), rate 0.003
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
    heads: int = flag(4, "attention heads of a block", low=1)
    learning_rate: float = flag(
        3e-3, "Adam's peak learning rate, after 50 warm-up updates", low=0
    )
    seeds: int = flag(4, "number of seeds", low=1)
    steps: int = flag(80, "updates", low=1)
    eval_every: int = flag(40, "updates between validations", low=1)
    batch_size: int = flag(32, "windows in a batch", low=1)


def rule(**losses):
    """Supported if without each of the parts the loss is higher (Holm, 0.05); refuted
    if without one of them it is less than 0.01 nats higher (simultaneous interval);
    else undecided.
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
    """Windows as numbers of characters."""
    from dljax.sources import loading
    from dljax.sources.lm_windows import lm_windows

    return lm_windows(loading.load_dataset(config), context=config.context)


def task(config, source, numbers):
    """The next character, from all before it in its window."""
    learning_rate = numbers.get("learning_rate", config.learning_rate)
    net = rotary_transformer(config, source, **CHANGES[config.ablate])
    optimizer = clipped_adam(learning_rate, config.steps)
    return next_token(net, optimizer, source, max_new_tokens=2 * config.context)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
