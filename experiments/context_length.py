r"""What does a longer context gain a Transformer, and what does it cost?

Claim: "A Transformer predicts text the better the more of it it sees."

Contexts of 16, 64 and 256 characters are compared, with 2,048 characters per update
each. The first characters of a window have less context, so that part of the gain comes
from the smaller share of such characters in longer windows. The report also shows the
cost of an update: that of attention grows with the context, that of the other layers
does not. The learning rate of every variant is tuned on validation data. The test loss
in nats per character decides.

    python -m experiments.context_length  # 4 minutes on 2 cores
    python -m experiments.context_length --dataset=tiny_shakespeare \
        --manual_dir=DIR --full

The default text is Python's language reference. DIR has input.txt. --dataset=text_file
reads a text file.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

from .language_models import clipped_adam, next_token, rotary_transformer

CHARACTERS = 2048  # per update
CONTEXTS = (16, 64, 256)


def variant(context):
    """The variant's name: the context, and the windows per update."""
    return f"{context}/{CHARACTERS // context}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("python_reference", "data set to train on")
    context: int = flag(64, "context length in characters", low=2)
    width: int = flag(64, "model width", low=4)
    depth: int = flag(3, "number of blocks", low=1)
    heads: int = flag(4, "attention heads per block", low=1)
    learning_rate: float = flag(
        3e-3, "Adam's peak learning rate, after 50 warm-up updates", low=0
    )
    seeds: int = flag(4, "number of seeds", low=1)
    steps: int = flag(200, "number of updates", low=1)
    eval_every: int = flag(100, "updates between validations", low=1)
    batch_size: int = flag(32, "windows per batch", low=1)


def rule(**gains):
    """Supported if each longer context has a lower loss than the next shorter one
    (Holm-adjusted tests at 0.05); if not, refuted if one of these decreases is below
    0.01 nats (simultaneous intervals); else undecided.
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
    """Windows of text as token ids."""
    from dljax.sources import loading
    from dljax.sources.lm_windows import lm_windows

    return lm_windows(loading.load_dataset(config), context=config.context)


def task(config, source, numbers):
    """Prediction of the next token of a window."""
    learning_rate = numbers.get("learning_rate", config.learning_rate)
    net = rotary_transformer(config, source)
    optimizer = clipped_adam(learning_rate, config.steps)
    return next_token(net, optimizer, source, max_new_tokens=2 * config.context)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
