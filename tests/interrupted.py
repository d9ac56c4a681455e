"""Does a run that is interrupted end as one that is not?

Claim: "An interrupted run ends with the bits of one that was never interrupted."

An experiment like any other, on the tiny tasks of families.py, for the tests to start
as a process of its own and to kill.
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    family: str = flag(
        "classifier", "which task", choices=("classifier", "gan", "seq2seq")
    )
    nan_at: int = flag(-1, "the step at which the loss of the first seed is not finite")
    seeds: int = flag(2, "how many seeds", low=1)
    batch_size: int = flag(24, "examples an update", low=1)


def rule(gap):
    """Never decided: nothing is compared."""
    del gap
    return "undecided"


STUDY = Study(
    claim="An interrupted run ends with the bits of one that was never interrupted.",
    factors={"family": ("classifier", "gan", "seq2seq")},
    measure="loss",
    higher=False,
    select="best_valid",
    contrasts={"gap": ("classifier", "seq2seq")},
    rule=rule,
    smoke={"steps": 3},
)


def shift(key, images):
    """Augmentation: every image moved sideways by 0 to 3 pixels, around the edge."""
    import jax
    import jax.numpy as jnp

    moves = jax.random.randint(key, (len(images),), 0, 4)
    return jax.vmap(lambda image, move: jnp.roll(image, move, 1))(images, moves)


def _family(config):
    from families import FAMILIES

    if config.family == "classifier":
        return FAMILIES["classifier"](augment=shift, accumulate=2)
    family = FAMILIES[config.family]()
    measured = family.task.metrics

    def metrics(*args):
        return {"loss": measured(*args)[family.better]}

    return family._replace(task=family.task._replace(metrics=metrics))


def source(config):
    return _family(config).source


def task(config):
    import jax.numpy as jnp

    made = _family(config).task
    if config.nan_at < 0:
        return made
    first, *rest = made.turns

    def loss(params, stats, batch, key, step):
        value, more = first.loss(params, stats, batch, key, step)
        mine = (key == key).all() & (step == config.nan_at)
        return value + jnp.where(mine, jnp.nan, 0.0), more

    return made._replace(turns=(first._replace(loss=loss), *rest))


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
