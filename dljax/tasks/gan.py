"""A game of two: a generator makes, a critic tells what is made from what is real."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from dljax.types import Net, SampleEvaluator, Task, Turn

OBJECTIVES = ("nonsaturating", "hinge", "wasserstein")
AT_ONCE = 250  # examples that are made
softplus = jax.nn.softplus


def gan(
    generator: Net,
    critic: Net,
    optimizers: Mapping[str, Any],
    *,
    example: Any,
    noise: int,
    objective: str = "nonsaturating",
    order: Sequence[str] = ("critic", "generator"),
    penalty: float = 10.0,
    given: str = "image",
    classes: int = 0,
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """A generative adversarial net of batches {"image": (b, ...)}.

    Args:
      generator: noise (b, k) -> examples. critic: examples -> scores (b,).
      optimizers: {"generator", "critic"}.
      example: one batch of examples, for its shape.
      noise: k, of a standard Gaussian.
      objective: "nonsaturating" (Goodfellow et al. 2014), "hinge" (Lim and Ye 2017), or
        "wasserstein" with the gradient penalty (Gulrajani et al. 2017).
      order: who plays, turn by turn, within an update, each with a part of the batch:
        WGAN-GP's is ("critic",) * 5 + ("generator",).
      penalty: weight of the critic's squared slope beyond or below 1, between what is
        real and what is made; with "wasserstein" alone.
      given: the array of a batch that is real.
      classes: the generator is given which of so many classes it is, after the noise,
        the critic as so many more channels; what is made is of the classes of the
        batch, "target_class" (Mirza and Osindero 2014). 0: they are not.
      sample_evaluator: as `Task.sample_evaluator`, of samples "generated".

    Measures `gap`, by how much the critic scores held-out real examples above what is
    made.

    Raises:
      ValueError: an unknown objective.
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"objective {objective}: must be one of {OBJECTIVES}")

    def init(key):
        first, second = jax.random.split(key)
        g, g_stats = generator.init(first, jnp.zeros((1, noise + classes)))
        c, c_stats = critic.init(second, with_class(example, jnp.zeros(1, jnp.int32)))
        return (
            {"generator": g, "critic": c},
            {"generator": g_stats, "critic": c_stats},
        )

    def with_class(x, label):
        """x with channels that are 1 where it is of their class."""
        if not classes:
            return x
        told = jax.nn.one_hot(label, classes).reshape(len(x), 1, 1, classes)
        told = jnp.broadcast_to(told, (*x.shape[:-1], classes))
        return jnp.concatenate([x, told], -1)

    def noises(key, count, label):
        z = jax.random.normal(key, (count, noise))
        if not classes:
            return z
        return jnp.concatenate([z, jax.nn.one_hot(label, classes)], -1)

    def made(params, model_state, key, batch, train) -> tuple[Any, Any]:
        z = noises(key, len(batch[given]), batch.get("label"))
        return generator.apply(
            params["generator"], model_state["generator"], z, key=None, train=train
        )

    def scores(params, model_state, batch, x, train=True) -> tuple[Any, Any]:
        x = with_class(x, batch.get("label"))
        return critic.apply(
            params["critic"], model_state["critic"], x, key=None, train=train
        )

    def slopes(params, model_state, batch, fake, key):
        """(|slope| - 1)^2 on average, at random places between pairs."""
        real = batch[given]
        share = jax.random.uniform(key, (len(real), *[1] * (real.ndim - 1)))
        between = share * real + (1 - share) * fake
        slope = jax.grad(lambda x: scores(params, model_state, batch, x)[0].sum())(
            between
        )
        squares = (slope**2).sum(tuple(range(1, slope.ndim)))
        return ((jnp.sqrt(squares + 1e-12) - 1) ** 2).mean()

    def critic_loss(params, model_state, batch, key, step):
        del step
        first, second = jax.random.split(key)
        real = batch[given]
        fake, _ = made(params, model_state, first, batch, True)
        fake = jax.lax.stop_gradient(fake)
        high, new = scores(params, model_state, batch, real)
        low, new = scores(params, {**model_state, "critic": new}, batch, fake)
        if objective == "nonsaturating":
            loss = (softplus(-high) + softplus(low)).mean()
        elif objective == "hinge":
            loss = (jax.nn.relu(1 - high) + jax.nn.relu(1 + low)).mean()
        else:
            loss = (low - high).mean()
            loss += penalty * slopes(params, model_state, batch, fake, second)
        return loss, ({}, {**model_state, "critic": new})

    def generator_loss(params, model_state, batch, key, step):
        del step
        fake, new = made(params, model_state, key, batch, True)
        told, _ = scores(params, model_state, batch, fake)
        told = softplus(-told) if objective == "nonsaturating" else -told
        return told.mean(), ({}, {**model_state, "generator": new})

    def metrics(params, model_state, batch, key):
        weight, count = batch["weight"], batch["weight"].sum()
        fake, _ = made(params, model_state, key, batch, False)
        high, _ = scores(params, model_state, batch, batch[given], False)
        low, _ = scores(params, model_state, batch, fake, False)
        return {"gap": (((high - low) * weight).sum(), count)}

    def sample(params, model_state, batch, key):
        z = noises(key, len(batch[given]), batch.get("label"))

        def one(z):
            x, _ = generator.apply(
                params["generator"],
                model_state["generator"],
                z[None],
                key=None,
                train=False,
            )
            return x[0]

        found = {"generated": jax.lax.map(one, z, batch_size=AT_ONCE)}
        return {**found, "target_class": batch["label"]} if classes else found

    losses = {"critic": critic_loss, "generator": generator_loss}
    turns = tuple(Turn(name, losses[name], optimizers[name]) for name in order)
    return Task(
        init,
        turns,
        metrics,
        sample,
        sample_evaluator=sample_evaluator,
        split_batch=True,
    )
