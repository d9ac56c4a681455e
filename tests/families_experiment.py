"""Does an interrupted run end with the same bits as an uninterrupted one?

Claim: "An interrupted run ends with the bits of one that was never interrupted."

An experiment on the tiny tasks of families.py. Tests start it as a separate process and
kill it.
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
    nan_at: int = flag(-1, "steps before the first seed's loss is NaN; -1: never")
    seeds: int = flag(2, "how many seeds", low=1)
    batch_size: int = flag(24, "examples per update", low=1)


def rule(gap):
    """Always undecided."""
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
    """Shifts each image sideways by 0 to 3 pixels, with wrap-around."""
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
    base = _family(config).task
    return base if config.nan_at < 0 else broken(base, config.seed, config.nan_at)


def broken(base, seed, step_of_nan):
    """Makes the last turn's loss of one seed NaN at one step."""
    import jax
    import jax.numpy as jnp

    from dljax.types import INIT, fold

    last = base.turns[-1]

    def init(key):
        params, model_state = base.init(key)
        bad = jax.random.key_data(fold(jax.random.key(seed), 0, INIT))
        marked = (jax.random.key_data(key) == bad).all().astype(jnp.float32)
        return params, {"base": model_state, "marked": marked}

    def turned(turn):
        def loss(params, model_state, batch, key, step):
            value, (metrics, inner) = turn.loss(
                params, model_state["base"], batch, key, step
            )
            if turn is last:
                now = (model_state["marked"] > 0) & (step == step_of_nan)
                value += jnp.where(now, jnp.nan, 0.0)
            return value, (metrics, {**model_state, "base": inner})

        return turn._replace(loss=loss)

    def metrics(params, model_state, batch, key):
        return base.metrics(params, model_state["base"], batch, key)

    turns = tuple(turned(turn) for turn in base.turns)
    return base._replace(init=init, turns=turns, metrics=metrics, sample=None)


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
