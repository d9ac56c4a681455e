"""Do width and activation matter to a small net on the digits?

Claim: "A wider layer is better."

An experiment like any other, for the tests of studies: 3 x 2 variants, tuned.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    width: int = flag(8, "of the hidden layer; 0 for none", low=0)
    activation: str = flag("relu", "of the hidden layer", choices=("relu", "tanh"))
    learning_rate: float = flag(0.01, "Adam's", low=0)
    weight_decay: float = flag(0.0, "on matrices", low=0)
    dropout: float = flag(0.0, "share of the hidden layer", low=0, below=1)
    steps: int = flag(200, "updates", low=1)


def rule(wider):
    """Supported if the interval of 16 minus 0 lies above 0; refuted if below."""
    return (
        "supported" if wider.above(0) else "refuted" if wider.below(0) else "undecided"
    )


STUDY = Study(
    claim="A wider layer is better.",
    factors={"width": (0, 8, 16), "activation": ("relu", "tanh")},
    primary_metric="accuracy",
    contrasts={"wider": ("16/relu", "0/relu")},
    rule=rule,
    vmapped_factors=("learning_rate", "weight_decay", "dropout"),
    tune={"learning_rate": (0.001, 0.01, 1e38)},
    tune_seeds=2,
    default_is_full={"digits": "it is a test"},
    smoke={"steps": 3, "seeds": 2},
)


def source(config):
    from dljax.sources.loading import load_source

    return load_source(config)


def task(config, source, numbers):
    import jax.numpy as jnp

    from dljax.models.mlp import mlp
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    dropout = numbers.get("dropout", config.dropout)
    hidden = (config.width,) if config.width else ()
    net = mlp(hidden, 10, activation=config.activation, dropout=dropout)
    optimizer = adamw(
        numbers.get("learning_rate", config.learning_rate),
        weight_decay=numbers.get("weight_decay", config.weight_decay),
    )
    return classification(net, optimizer, example=jnp.zeros((1, 8, 8, 1)))


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
