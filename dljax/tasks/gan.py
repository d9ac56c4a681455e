"""Generative adversarial networks: a game of a generator and a critic."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dljax.tasks.single_net import weighted_sum
from dljax.types import Net, SampleEvaluator, Task, Turn

OBJECTIVES = ("nonsaturating", "hinge", "wasserstein")
CHUNK = 250  # examples per vectorized generator call


class Gan(NamedTuple):
    """The two networks of a GAN.

    Attributes:
      generator, critic, latent_size, num_classes, input_key: see `gan`.
    """

    generator: Net
    critic: Net
    latent_size: int
    num_classes: int
    input_key: str


def gan(
    generator: Net,
    critic: Net,
    optimizers: Mapping[str, Any],
    *,
    example: Any,
    latent_size: int,
    objective: str = "nonsaturating",
    order: Sequence[str] = ("critic", "generator"),
    penalty_weight: float = 10.0,
    input_key: str = "image",
    num_classes: int = 0,
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """Trains a generator and a critic on batches {"image": (b, ...)}.

    Metrics: `gap`, the mean critic score of held-out real examples minus that of
    generated ones.

    Args:
      generator: z (b, latent_size) -> examples (b, ...).
      critic: examples (b, ...) -> scores (b,).
      optimizers: {"generator", "critic"}.
      example: one batch of examples, for its shape.
      latent_size: dimensions of z, a standard Gaussian.
      objective: "nonsaturating" (Goodfellow et al. 2014), "hinge" (Lim and Ye 2017), or
        "wasserstein" with gradient penalty (Gulrajani et al. 2017).
      order: the player of each turn within an update; the turns share the batch in
        equal parts. WGAN-GP's order is ("critic",) * 5 + ("generator",).
      penalty_weight: gradient-penalty weight, (||grad D|| - 1)^2 on interpolates of
        real and generated examples; "wasserstein" only.
      input_key: the batch's array of real examples.
      num_classes: number of classes; 0: unconditional. The one-hot label is
        concatenated to z and to the image channels (Mirza and Osindero 2014). Samples
        have the batch's labels, "target_class".
      sample_evaluator: see `Task.sample_evaluator`.

    Raises:
      ValueError: an unknown objective.
    """
    if objective not in OBJECTIVES:
        raise ValueError(f"objective {objective}: must be one of {OBJECTIVES}")
    model = Gan(generator, critic, latent_size, num_classes, input_key)

    def init(key):
        return init_gan(model, key, example)

    def critic_loss(params, model_state, batch, key, step):
        del step
        fake_key, penalty_key = jax.random.split(key)
        real = batch[input_key]
        fake, _ = generate(model, params, model_state, batch, fake_key, train=True)
        fake = jax.lax.stop_gradient(fake)
        real_score, state = scores(model, params, model_state, batch, real, train=True)
        after_real = {**model_state, "critic": state}
        fake_score, state = scores(model, params, after_real, batch, fake, train=True)
        loss = critic_objective(objective, real_score, fake_score)
        if objective == "wasserstein":
            loss += penalty_weight * gradient_penalty(
                model, params, model_state, batch, fake, penalty_key
            )
        return loss, ({}, {**model_state, "critic": state})

    def generator_loss(params, model_state, batch, key, step):
        del step
        fake, state = generate(model, params, model_state, batch, key, train=True)
        fake_score, _ = scores(model, params, model_state, batch, fake, train=True)
        loss = generator_objective(objective, fake_score)
        return loss, ({}, {**model_state, "generator": state})

    def metrics(params, model_state, batch, key):
        fake, _ = generate(model, params, model_state, batch, key, train=False)
        real_score, _ = scores(
            model, params, model_state, batch, batch[input_key], train=False
        )
        fake_score, _ = scores(model, params, model_state, batch, fake, train=False)
        return {"gap": weighted_sum(real_score - fake_score, batch["weight"])}

    def sample(params, model_state, batch, key):
        images = generate_in_chunks(model, params, model_state, batch, key)
        samples = {"generated": images}
        return {**samples, "target_class": batch["label"]} if num_classes else samples

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


def init_gan(model: Gan, key: jax.Array, example: Any) -> tuple[Any, Any]:
    """Returns the initial ({player: params}, {player: model_state})."""
    generator_key, critic_key = jax.random.split(key)
    z = jnp.zeros((1, model.latent_size + model.num_classes))
    generator, generator_state = model.generator.init(generator_key, z)
    x = append_class_channels(model, example, jnp.zeros(1, jnp.int32))
    critic, critic_state = model.critic.init(critic_key, x)
    return (
        {"generator": generator, "critic": critic},
        {"generator": generator_state, "critic": critic_state},
    )


def append_class_channels(model: Gan, x_BHWC: Any, label_B: Any) -> jax.Array:
    """Appends one channel per class to x (b, h, w, c): 1 for the label, else 0.

    Unconditional models return x.
    """
    if not model.num_classes:
        return x_BHWC
    one_hot = jax.nn.one_hot(label_B, model.num_classes)
    one_hot = one_hot.reshape(len(x_BHWC), 1, 1, model.num_classes)
    one_hot = jnp.broadcast_to(one_hot, (*x_BHWC.shape[:-1], model.num_classes))
    return jnp.concatenate([x_BHWC, one_hot], -1)


def latents(model: Gan, batch: Any, key: jax.Array) -> jax.Array:
    """Draws z and appends the one-hot label: (b, latent_size + num_classes)."""
    z = jax.random.normal(key, (len(batch[model.input_key]), model.latent_size))
    if not model.num_classes:
        return z
    one_hot = jax.nn.one_hot(batch["label"], model.num_classes)
    return jnp.concatenate([z, one_hot], -1)


def generate(
    model: Gan, params: Any, model_state: Any, batch: Any, key: Any, *, train: bool
) -> tuple[Any, Any]:
    """Generates one example per example of the batch; also returns the model_state."""
    z = latents(model, batch, key)
    return model.generator.apply(
        params["generator"], model_state["generator"], z, key=None, train=train
    )


def generate_in_chunks(
    model: Gan, params: Any, model_state: Any, batch: Any, key: jax.Array
) -> jax.Array:
    """Generates as `generate` in evaluation mode, `CHUNK` examples at a time.

    An example's bits do not depend on the other examples.
    """

    def generate_one(z):
        x, _ = model.generator.apply(
            params["generator"],
            model_state["generator"],
            z[None],
            key=None,
            train=False,
        )
        return x[0]

    return jax.lax.map(generate_one, latents(model, batch, key), batch_size=CHUNK)


def scores(
    model: Gan, params: Any, model_state: Any, batch: Any, x: Any, *, train: bool
) -> tuple[Any, Any]:
    """The critic's scores (b,) of x with the batch's labels, and its model_state."""
    x = append_class_channels(model, x, batch.get("label"))
    return model.critic.apply(
        params["critic"], model_state["critic"], x, key=None, train=train
    )


def critic_objective(objective: str, real_score: Any, fake_score: Any) -> jax.Array:
    """The scalar that the critic minimizes, without the gradient penalty."""
    if objective == "nonsaturating":
        return (jax.nn.softplus(-real_score) + jax.nn.softplus(fake_score)).mean()
    if objective == "hinge":
        return (jax.nn.relu(1 - real_score) + jax.nn.relu(1 + fake_score)).mean()
    return (fake_score - real_score).mean()


def generator_objective(objective: str, fake_score: Any) -> jax.Array:
    """The scalar that the generator minimizes."""
    if objective == "nonsaturating":
        return jax.nn.softplus(-fake_score).mean()
    return (-fake_score).mean()


def gradient_penalty(
    model: Gan, params: Any, model_state: Any, batch: Any, fake: Any, key: jax.Array
) -> jax.Array:
    """Mean of (||grad D|| - 1)^2 at random interpolates of real and generated examples.

    Source: Gulrajani et al. 2017, algorithm 1.
    """
    real = batch[model.input_key]
    share = jax.random.uniform(key, (len(real), *[1] * (real.ndim - 1)))
    interpolates = share * real + (1 - share) * fake

    def total_score(x):
        return scores(model, params, model_state, batch, x, train=True)[0].sum()

    gradient = jax.grad(total_score)(interpolates)
    squared_norm = (gradient**2).sum(tuple(range(1, gradient.ndim)))
    return ((jnp.sqrt(squared_norm + 1e-12) - 1) ** 2).mean()
