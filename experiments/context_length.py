r"""What does a longer context bring a Transformer, and what does it cost?

Claim: "A Transformer predicts text the better the more of it it sees."

Windows of 16, 64 and 256 characters, and as many characters an update: a character is
told from up to so many before it. A window's first characters have less, so that part
of the gain is that there are fewer of them. What an update costs is in the report's
table: the products with weights cost the same, and those of attention grow with the
window.

    python -m experiments.context_length  # 4 minutes on 2 cores
    python -m experiments.context_length --dataset=tiny_shakespeare \
        --manual_dir=DIR --full

By default the text is Python's reference; DIR has input.txt; or --dataset=text_file and
your own.

Undecided. Tiny Shakespeare, 8 seeds, 84 minutes on one x86-64 core beside other work,
nats a character:

    context 16   1.815 (1.811 to 1.819)
    context 64   1.727 (1.717 to 1.736)
    context 256  1.715 (1.706 to 1.724)

From 16 to 64 characters it gains 0.088 (0.073 to 0.102), from there to 256 0.012
(-0.003 to +0.026). An update of 2,048 characters takes 1.7 times as long at 256 as at
64, and 1.1 times as long at 64 as at 16. All three learn best at a rate of 0.003.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

from .language_models import clipped_adam, next_token, rotary_transformer

CHARACTERS = 2048  # an update
CONTEXTS = (16, 64, 256)


def variant(context):
    """As it is named: the context, and the windows of an update."""
    return f"{context}/{CHARACTERS // context}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("python_reference", "data set to train on")
    context: int = flag(64, "context length in characters", low=2)
    width: int = flag(64, "model width", low=4)
    depth: int = flag(3, "number of blocks", low=1)
    heads: int = flag(4, "attention heads of a block", low=1)
    learning_rate: float = flag(
        3e-3, "Adam's peak learning rate, after 50 warm-up updates", low=0
    )
    seeds: int = flag(4, "number of seeds", low=1)
    steps: int = flag(200, "updates", low=1)
    eval_every: int = flag(100, "updates between validations", low=1)
    batch_size: int = flag(32, "windows in a batch", low=1)


def rule(**gains):
    """Supported if each longer context has a loss that is lower (Holm, 0.05); refuted
    if one is higher or lower by less than 0.01 nats (simultaneous interval); else
    undecided.
    """
    if all(gain.above(0) for gain in gains.values()):
        return "supported"
    return (
        "refuted" if any(gain.below(0.01) for gain in gains.values()) else "undecided"
    )


STUDY = Study(
    claim="A Transformer predicts text the better the more of it it sees.",
    family="transformer",
    factors={
        "context": CONTEXTS,
        "batch_size": tuple(CHARACTERS // context for context in CONTEXTS),
    },
    design=[
        {"context": context, "batch_size": CHARACTERS // context}
        for context in CONTEXTS
    ],
    vmapped_factors=("learning_rate",),
    tune={"learning_rate": (1e-3, 3e-3, 1e-2)},
    tune_seeds=1,
    primary_metric="loss",
    higher=False,
    contrasts={
        f"to_{long}": (variant(short), variant(long))
        for short, long in zip(CONTEXTS, CONTEXTS[1:], strict=False)
    },
    rule=rule,
    full=dict.fromkeys(
        ("python_reference", "tiny_shakespeare"),
        {"steps": 2000, "eval_every": 100, "seeds": 8},
    ),
    smoke={"steps": 2, "seeds": 2, "width": 8, "depth": 1}
    | {"context": (16,), "batch_size": (128,)},
)


def source(config):
    """Windows as numbers of characters."""
    from dljax.sources import loading
    from dljax.sources.lm_windows import lm_windows

    return lm_windows(loading.load_dataset(config), context=config.context)


def task(config, source, numbers):
    """The next character, from all before it in its window."""
    learning_rate = numbers.get("learning_rate", config.learning_rate)
    net = rotary_transformer(config, source)
    optimizer = clipped_adam(learning_rate, config.steps)
    return next_token(net, optimizer, source, max_new_tokens=2 * config.context)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
