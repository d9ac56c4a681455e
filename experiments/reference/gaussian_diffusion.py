"""Do the loss and the samplers of diffusion agree with their closed forms?

Claim: "For Gaussian data diffusion's loss and samples are those of the closed form."

For images of independent Gaussian pixels of one mean and variance, the optimal
prediction from a noisy image is known. So are its error at every time step, and the
mean and the variance of the samples. That prediction takes the place of the network,
for each of the three prediction types. `loss_error` is the largest relative difference
between a loss and its closed form, over the prediction types and 100 time steps.
`moments_error` is the largest difference of the samples' mean and variance from their
exact recursion, in standard errors, for DDIM with 20 steps and for ancestral sampling
with 100.

    python -m experiments.reference.gaussian_diffusion  # 3 minutes on 2 cores
"""

import dataclasses
import sys
from typing import NamedTuple

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.full_size import KNOWN_EXACTLY
from dljax.studies.study import Study

SCHEDULES = ("linear", "cosine")
PREDICTION_TYPES = ("epsilon", "sample", "v")
MEAN, DEVIATION = 0.3, 0.5  # of a pixel, which is scaled to [-1, 1]
SIDE = 16  # pixels
NUM_TIMESTEPS = 100


class SamplerConfig(NamedTuple):
    """The number of steps, and the scale of the noise per step (0: DDIM)."""

    steps: int
    eta: float


SAMPLERS = {"ddim": SamplerConfig(20, 0.0), "ancestral": SamplerConfig(100, 1.0)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    dataset: str = flag("gaussian", "data set to train on", choices=("gaussian",))
    schedule: str = flag("linear", "noise schedule", choices=SCHEDULES)
    noise_draws: int = flag(
        1500, "noise samples per time step for the loss", low=1, formerly="rounds"
    )
    num_samples: int = flag(500, "samples per sampler", low=2, formerly="made")
    seeds: int = flag(8, "number of seeds", low=1)
    steps: int = flag(1, "updates; there are no parameters to learn", low=1)
    batch_size: int = flag(8, "images per batch", low=1)


def rule(**errors):
    """Supported if with each schedule the relative error of the losses is below 1 % at
    every step, and the error of the samples' moments is below 3 standard errors
    (Holm-adjusted tests at 0.05); refuted if one of these errors is above its limit
    (the same tests); else undecided.
    """
    if all(error.below(0) for error in errors.values()):
        return "supported"
    return (
        "refuted" if any(error.above(0) for error in errors.values()) else "undecided"
    )


STUDY = Study(
    claim="For Gaussian data diffusion's loss and samples are those of the closed "
    "form.",
    family="generative",
    published="0 (closed form)",
    factors={"schedule": SCHEDULES},
    primary_metric="loss_error",
    higher=False,
    contrasts={
        f"{name}_{schedule}": (f"{schedule}@{name}_error", limit)
        for name, limit in (("loss", 0.01), ("moments", 3.0))
        for schedule in SCHEDULES
    },
    rule=rule,
    smoke={"seeds": 2, "noise_draws": 2, "num_samples": 4, "schedule": ("cosine",)},
    default_is_full={"gaussian": KNOWN_EXACTLY},
)


def source(config):
    """Images of Gaussian pixels."""
    from dljax.sources.synthetic import gaussian_images

    return gaussian_images((SIDE, SIDE, 1), mean=MEAN, deviation=DEVIATION)


def task(config, source, numbers):
    """Diffusion with the optimal prediction in place of a network."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from scipy import stats

    alpha_bar, min_losses = closed_forms(config.schedule)
    tasks = {name: optimal_task(name, config.schedule) for name in PREDICTION_TYPES}
    quantiles = stats.norm.ppf((np.arange(SIDE**2) + 0.5) / SIDE**2)
    quantiles = (quantiles / quantiles.std()).reshape(1, SIDE, SIDE, 1)
    image = (1 + MEAN + DEVIATION * quantiles) / 2
    images = {"image": jnp.asarray(image, jnp.float32).repeat(NUM_TIMESTEPS, 0)}

    def losses(params, model_state, key):
        """{prediction type: the loss at each time step, (NUM_TIMESTEPS,)}.

        The pixels of the images are quantiles of the Gaussian; the noise is random.
        """

        def at_timestep(task, weight):  # of one image, whose row is its time step
            batch = {**images, "weight": weight}
            return task.metrics(params, model_state, batch, key)["loss"][0]

        one_hot = jnp.eye(NUM_TIMESTEPS)
        return {
            name: jax.vmap(lambda weight, task=task: at_timestep(task, weight))(one_hot)
            for name, task in tasks.items()
        }

    def final_metrics(params, model_state, batch, key):
        first, second = jax.random.split(key)
        keys = jax.random.split(first, config.noise_draws)
        measured = jax.lax.map(lambda k: losses(params, model_state, k), keys)
        loss_errors = [
            jnp.abs(
                measured[name].mean(0) / jnp.asarray(min_losses[name], jnp.float32) - 1
            )
            for name in PREDICTION_TYPES
        ]
        zeros = {"image": jnp.zeros((config.num_samples, SIDE, SIDE, 1))}
        moments = [
            _moment_error(2 * samples - 1, *exact_moments(alpha_bar, SAMPLERS[name]))
            for task in tasks.values()
            for name, samples in task.sample(params, model_state, zeros, second).items()
        ]
        count = jnp.float32(1)
        worst = {
            "loss": jnp.stack(loss_errors).max(),
            "moments": jnp.stack(moments).max(),
        }
        return {f"{name}_error": (value, count) for name, value in worst.items()}

    return tasks["v"]._replace(final_metrics=final_metrics, sample=None)


def closed_forms(schedule):
    """`alpha_bar_schedule`, and {prediction type: the least loss at each time step}."""
    from dljax.tasks.diffusion import alpha_bar_schedule

    alpha_bar = alpha_bar_schedule(schedule, NUM_TIMESTEPS)
    noise = alpha_bar * DEVIATION**2 / (alpha_bar * DEVIATION**2 + 1 - alpha_bar)
    image, velocity = noise * (1 - alpha_bar) / alpha_bar, noise / alpha_bar
    return alpha_bar, {"epsilon": noise, "sample": image, "v": velocity}


def optimal_task(prediction_type, schedule):
    """The task of a network that returns the optimal prediction."""
    import jax.numpy as jnp

    from dljax.tasks.diffusion import (
        Sampler,
        alpha_bar_schedule,
        diffusion,
        prediction_target,
    )
    from dljax.training.optimizers import sgd
    from dljax.types import Net

    schedule_alpha_bar = alpha_bar_schedule(schedule, NUM_TIMESTEPS)

    def init(key, example):
        del key, example
        return {"unused": jnp.zeros([])}, {}

    def apply(params, model_state, inputs, *, key, train):
        del key, train
        x, t = inputs["x"], (inputs["t"] * NUM_TIMESTEPS).astype(jnp.int32)
        alpha_bar = jnp.asarray(schedule_alpha_bar, jnp.float32)[t]
        alpha_bar = alpha_bar.reshape(-1, 1, 1, 1)
        rest = (x - jnp.sqrt(alpha_bar) * MEAN) / (
            alpha_bar * DEVIATION**2 + 1 - alpha_bar
        )
        image = MEAN + jnp.sqrt(alpha_bar) * DEVIATION**2 * rest
        noise = jnp.sqrt(1 - alpha_bar) * rest
        prediction = prediction_target(prediction_type, image, noise, alpha_bar)
        return prediction + 0 * params["unused"], model_state

    return diffusion(
        Net(init, apply),
        sgd(0.0),
        example=jnp.zeros((1, SIDE, SIDE, 1)),
        schedule=schedule,
        prediction_type=prediction_type,
        num_timesteps=NUM_TIMESTEPS,
        samplers={
            name: Sampler(sampler.steps, sampler.eta, clip=False)
            for name, sampler in SAMPLERS.items()
        },
    )


def _moment_error(x, mean, variance):
    """The larger deviation of x's mean and variance, in standard errors."""
    import jax.numpy as jnp

    error = (variance / x.size) ** 0.5
    spread = ((x - mean) ** 2).mean() / variance - 1
    moments = jnp.stack([(x.mean() - mean) / error, spread / (2 / x.size) ** 0.5])
    return jnp.abs(moments).max()


def exact_moments(alpha_bar, sampler):
    """The exact mean and variance of a sampler's images.

    With the optimal prediction each step is linear, x -> scale * x + shift, plus
    Gaussian noise.
    """
    import numpy as np

    timesteps = np.linspace(len(alpha_bar) - 1, 0, sampler.steps).round().astype(int)
    mean, variance = 0.0, 1.0
    for i, t in enumerate(timesteps):
        a = alpha_bar[t]
        a_next = alpha_bar[timesteps[i + 1]] if i + 1 < len(timesteps) else 1.0
        beta = 1 - a / a_next
        added = sampler.eta**2 * (1 - a_next) / (1 - a) * beta
        slope = (1 - a) ** 0.5 / (a * DEVIATION**2 + 1 - a)  # of epsilon over x
        offset = -slope * a**0.5 * MEAN
        image_slope = (1 - (1 - a) ** 0.5 * slope) / a**0.5
        image_offset = -((1 - a) ** 0.5) * offset / a**0.5
        rest = (1 - a_next - added) ** 0.5
        scale = a_next**0.5 * image_slope + rest * slope
        shift = a_next**0.5 * image_offset + rest * offset
        mean, variance = scale * mean + shift, scale**2 * variance + added
    return mean, variance


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
