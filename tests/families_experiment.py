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

TASKS = ("classifier", "gan", "diffusion", "seq2seq", "dcgan", "transformer")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    family: str = flag("classifier", "which task", choices=TASKS)
    nan_at: int = flag(-1, "after so many steps the first seed's loss is NaN")
    seeds: int = flag(2, "how many seeds", low=1)
    batch_size: int = flag(24, "examples an update", low=1)


def rule(gap):
    """Never decided: nothing is compared."""
    del gap
    return "undecided"


STUDY = Study(
    claim="An interrupted run ends with the bits of one that was never interrupted.",
    factors={"family": TASKS},
    primary_metric="loss",
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
    from networks import NETWORKS

    if config.family == "classifier":
        return FAMILIES["classifier"](augment=shift, accumulate=2)
    family = {**FAMILIES, **NETWORKS}[config.family]()
    measured = family.task.metrics

    def metrics(*args):
        return {"loss": measured(*args)[family.better]}

    return family._replace(task=family.task._replace(metrics=metrics))


def source(config):
    return _family(config).source


def task(config, source, numbers):
    made = _family(config).task
    return made if config.nan_at < 0 else broken(made, config.seed, config.nan_at)


def broken(made, seed, step_of_nan):
    """The task, but at one step the last turn's loss of one seed is not finite."""
    import jax
    import jax.numpy as jnp

    from dljax.types import INIT, fold

    last = made.turns[-1]

    def init(key):
        params, model_state = made.init(key)
        bad = jax.random.key_data(fold(jax.random.key(seed), 0, INIT))
        marked = (jax.random.key_data(key) == bad).all().astype(jnp.float32)
        return params, {"made": model_state, "marked": marked}

    def turned(turn):
        def loss(params, model_state, batch, key, step):
            value, (metrics, inner) = turn.loss(
                params, model_state["made"], batch, key, step
            )
            if turn is last:
                now = (model_state["marked"] > 0) & (step == step_of_nan)
                value += jnp.where(now, jnp.nan, 0.0)
            return value, (metrics, {**model_state, "made": inner})

        return turn._replace(loss=loss)

    def metrics(params, model_state, batch, key):
        return made.metrics(params, model_state["made"], batch, key)

    turns = tuple(turned(turn) for turn in made.turns)
    return made._replace(init=init, turns=turns, metrics=metrics, sample=None)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
