"""Denoising diffusion of images (Ho, Jain, Abbeel 2020).

x_t = sqrt(alpha_bar_t) x + sqrt(1 - alpha_bar_t) epsilon, for 0 <= t < num_timesteps.
Images x are in [-1, 1] in this file's formulas, and in [0, 1] in batches and samples.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dljax.ops.backend_forms import on_cpu
from dljax.tasks.single_net import weighted_sum
from dljax.types import Net, SampleEvaluator, Task, Turn

SCHEDULES = ("linear", "cosine")
PREDICTION_TYPES = ("epsilon", "sample", "v")
CHUNK = 250  # images per vectorized sampling step
CHUNK_ON_CPU = 32  # fits the cache: 1.4 times as many MNIST images per second
LABEL_DROPOUT = 0.1  # rate of replacing labels by "no label" in training


class Sampler(NamedTuple):
    """How images are sampled.

    Attributes:
      steps, eta, clip: see `ddim_sample`.
      guidance: weight w of classifier-free guidance, (1 + w) eps(x, y) - w eps(x, no
        label) (Ho and Salimans 2022); -1 samples without a label.
    """

    steps: int = 50
    eta: float = 0.0
    guidance: float = 0.0
    clip: bool = True


class Diffusion(NamedTuple):
    """A denoising network and its noise schedule.

    Attributes:
      net: see `diffusion`.
      prediction_type: see `prediction_target`.
      alpha_bar: float64 (num_timesteps,); see `alpha_bar_schedule`.
      num_classes: number of classes; 0: unconditional.
    """

    net: Net
    prediction_type: str
    alpha_bar: np.ndarray
    num_classes: int


SAMPLERS = {"generated": Sampler()}


def diffusion(
    net: Net,
    optimizer: Any,
    *,
    example: Any,
    schedule: str = "cosine",
    prediction_type: str = "epsilon",
    num_timesteps: int = 1000,
    num_classes: int = 0,
    samplers: Mapping[str, Sampler] = SAMPLERS,
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """Trains a denoising net on {"image": (b, h, w, c) in [0, 1], "label": (b,)}.

    Metrics: `mse` of the predicted noise, and `loss`, the mean squared error of the
    prediction, at timesteps that are stratified over the batch.

    Args:
      net: {"x": noisy images (b, h, w, c), "t": (b,) from 0 to 1, "label"} -> (b, h, w,
        c).
      optimizer: an Optax transformation.
      example: one batch of images, for its shape.
      schedule, num_timesteps: see `alpha_bar_schedule`.
      prediction_type: the regression target, see `prediction_target`.
      num_classes: number of classes; 0: unconditional. The net takes the label;
        training hides a tenth of the labels, and samples have the batch's labels.
      samplers: {key of the samples: their sampler}.
      sample_evaluator: see `Task.sample_evaluator`.

    Raises:
      ValueError: an unknown schedule or prediction type.
    """
    if prediction_type not in PREDICTION_TYPES:
        raise ValueError(
            f"prediction_type {prediction_type}: must be one of {PREDICTION_TYPES}"
        )
    alpha_bar = alpha_bar_schedule(schedule, num_timesteps)
    model = Diffusion(net, prediction_type, alpha_bar, num_classes)

    def init(key):
        zero = jnp.zeros(1, jnp.int32)
        params, model_state = net.init(key, net_inputs(model, example, zero, zero))
        return {"net": params}, model_state

    def loss(params, model_state, batch, key, step):
        del step
        error, _, model_state = squared_errors(
            model, params, model_state, batch, key, train=True
        )
        return error.mean(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        error, noise_error, _ = squared_errors(
            model, params, model_state, batch, key, train=False
        )
        weight = batch["weight"]
        return {
            "loss": weighted_sum(error, weight),
            "mse": weighted_sum(noise_error, weight),
        }

    def sample(params, model_state, batch, key):
        b = len(batch["image"])
        label = batch["label"] if num_classes else jnp.zeros(b, int)
        keys = jax.random.split(key, b)
        samples = {
            name: jax.lax.map(
                functools.partial(
                    generate, model, params, model_state, sampler, example.shape[1:]
                ),
                (keys, label),
                batch_size=CHUNK_ON_CPU if on_cpu() else CHUNK,
            )
            for name, sampler in samplers.items()
        }
        return {**samples, "target_class": label} if num_classes else samples

    turns = (Turn("net", loss, optimizer),)
    return Task(init, turns, metrics, sample, sample_evaluator=sample_evaluator)


def alpha_bar_schedule(schedule: str, num_timesteps: int = 1000) -> np.ndarray:
    """The noise schedule alpha_bar, float64 (num_timesteps,).

    alpha_bar_t is the share of the image in the variance of x_t.

    "linear": betas from 1e-4 to 0.02 over 1000 timesteps (Ho, Jain, Abbeel 2020),
    scaled for other numbers of timesteps. "cosine": Nichol and Dhariwal 2021.

    Raises:
      ValueError: an unknown schedule.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule {schedule}: must be one of {SCHEDULES}")
    if schedule == "linear":
        scale = 1000 / num_timesteps
        betas = np.linspace(scale * 1e-4, min(scale * 0.02, 0.999), num_timesteps)
    else:
        time = np.arange(num_timesteps + 1) / num_timesteps
        f = np.cos((time + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = np.minimum(1 - f[1:] / f[:-1], 0.999)
    return np.cumprod(1 - betas)


def q_sample(x: Any, noise: Any, alpha_bar: Any) -> Any:
    """Samples x_t from q(x_t | x).

    Args:
      x: images (b, h, w, c) in [-1, 1].
      noise: standard Gaussian noise of the same shape.
      alpha_bar: broadcast to x.
    """
    return jnp.sqrt(alpha_bar) * x + jnp.sqrt(1 - alpha_bar) * noise


def prediction_target(prediction_type: str, x: Any, noise: Any, alpha_bar: Any) -> Any:
    """The target that the net is trained to predict.

    "epsilon": the noise. "sample": the image x. "v": the velocity, sqrt(alpha_bar)
    noise - sqrt(1 - alpha_bar) x (Salimans and Ho 2022). `alpha_bar` is broadcast to x.
    """
    if prediction_type == "epsilon":
        return noise
    if prediction_type == "sample":
        return x
    return jnp.sqrt(alpha_bar) * noise - jnp.sqrt(1 - alpha_bar) * x


def image_and_noise(
    prediction_type: str, prediction: Any, x_t: Any, alpha_bar: Any
) -> tuple[Any, Any]:
    """Converts a prediction to the image and the noise in x_t."""
    image_scale, noise_scale = jnp.sqrt(alpha_bar), jnp.sqrt(1 - alpha_bar)
    if prediction_type == "epsilon":
        return (x_t - noise_scale * prediction) / image_scale, prediction
    if prediction_type == "sample":
        return prediction, (x_t - image_scale * prediction) / noise_scale
    return (
        image_scale * x_t - noise_scale * prediction,
        noise_scale * x_t + image_scale * prediction,
    )


def net_inputs(model: Diffusion, x_t: Any, t: Any, label: Any) -> dict[str, Any]:
    """The net's inputs for timesteps t, int (b,), scaled to times in (0, 1).

    The label `num_classes` means no label.
    """
    inputs = {"x": x_t, "t": (t + 0.5) / len(model.alpha_bar)}
    return {**inputs, "label": label} if model.num_classes else inputs


def stratified(permutation_key: jax.Array, uniform_key: jax.Array, n: int) -> jax.Array:
    """Draws n uniforms from [0, n), one per unit interval, in random order."""
    strata = jax.random.permutation(permutation_key, n)
    return strata + jax.random.uniform(uniform_key, (n,))


def squared_errors(
    model: Diffusion,
    params: Any,
    model_state: Any,
    batch: Any,
    key: jax.Array,
    *,
    train: bool,
) -> tuple[jax.Array, jax.Array, Any]:
    """Mean squared errors at one random timestep per example.

    Returns:
      (b,) of the prediction; (b,) of the implied noise; the net's model_state.
    """
    time_key, noise_key, label_key, net_key, order_key = jax.random.split(key, 5)
    x = 2 * batch["image"] - 1
    b, num_timesteps = len(x), len(model.alpha_bar)
    time = stratified(order_key, time_key, b) * (num_timesteps / b)
    t = jnp.minimum(time.astype(jnp.int32), num_timesteps - 1)
    alpha_bar = jnp.asarray(model.alpha_bar, jnp.float32)[t]
    alpha_bar = alpha_bar.reshape(b, *[1] * (x.ndim - 1))
    noise = jax.random.normal(noise_key, x.shape)
    x_t = q_sample(x, noise, alpha_bar)
    label = batch["label"] if model.num_classes else t
    if model.num_classes and train:
        hidden = jax.random.bernoulli(label_key, LABEL_DROPOUT, (b,))
        label = jnp.where(hidden, model.num_classes, label)
    inputs = net_inputs(model, x_t, t, label)
    prediction, model_state = model.net.apply(
        params["net"], model_state, inputs, key=net_key, train=train
    )
    _, predicted_noise = image_and_noise(
        model.prediction_type, prediction, x_t, alpha_bar
    )
    axes = tuple(range(1, x.ndim))
    target = prediction_target(model.prediction_type, x, noise, alpha_bar)
    error = ((prediction - target) ** 2).mean(axes)
    noise_error = ((predicted_noise - noise) ** 2).mean(axes)
    return error, noise_error, model_state


def guided_prediction(
    model: Diffusion,
    params: Any,
    model_state: Any,
    x_t: Any,
    t: Any,
    label: Any,
    guidance: float,
) -> jax.Array:
    """The net's prediction (h, w, c) for one image with classifier-free guidance."""

    def predict(label) -> jax.Array:
        inputs = net_inputs(model, x_t[None], t[None], label[None])
        prediction, _ = model.net.apply(
            params["net"], model_state, inputs, key=None, train=False
        )
        return prediction[0]

    no_label = jnp.full_like(label, model.num_classes)
    prediction = predict(no_label if guidance == -1 else label)
    if model.num_classes and guidance not in (0, -1):
        prediction = (1 + guidance) * prediction - guidance * predict(no_label)
    return prediction


def generate(
    model: Diffusion,
    params: Any,
    model_state: Any,
    sampler: Sampler,
    shape: tuple[int, ...],
    key_and_label: tuple[jax.Array, jax.Array],
) -> jax.Array:
    """Samples one image (h, w, c) in [0, 1]."""
    key, label = key_and_label
    noise_key, key = jax.random.split(key)

    def denoise_fn(x_t, t) -> tuple[Any, Any]:
        prediction = guided_prediction(
            model, params, model_state, x_t, t, label, sampler.guidance
        )
        alpha_bar = jnp.asarray(model.alpha_bar, jnp.float32)[t]
        return image_and_noise(model.prediction_type, prediction, x_t, alpha_bar)

    image = ddim_sample(
        denoise_fn,
        jax.random.normal(noise_key, shape),
        key,
        alpha_bar=model.alpha_bar,
        steps=sampler.steps,
        eta=sampler.eta,
        clip=sampler.clip,
    )
    return (image + 1) / 2


def ddim_sample(
    denoise_fn: Callable[[Any, Any], tuple[Any, Any]],
    noise: jax.Array,
    key: jax.Array,
    *,
    alpha_bar: np.ndarray,
    steps: int,
    eta: float,
    clip: bool,
) -> jax.Array:
    """Samples images by a scan from pure noise over a subset of the timesteps.

    Args:
      denoise_fn: (x_t (b, ...), t int32) -> (image, noise) in x_t.
      noise: standard Gaussian (b, ...).
      key: for the noise that steps add.
      alpha_bar: see `alpha_bar_schedule`.
      steps: number of timesteps in the scan, evenly spaced.
      eta: scale of the noise that each step adds. 0: DDIM, no noise (Song, Meng, Ermon
        2021, equations 12 and 16). 1: ancestral sampling; with all timesteps this is Ho
        et al. 2020 with the smaller variance.
      clip: clips the predicted image to [-1, 1] at each step.

    Returns:
      images in [-1, 1], (b, ...).
    """
    t = np.linspace(len(alpha_bar) - 1, 0, steps).round().astype(np.int32)
    alpha_bar_t = alpha_bar[t]
    alpha_bar_next = np.append(alpha_bar_t[1:], 1.0)
    sigma = eta * np.sqrt(
        (1 - alpha_bar_next) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_next)
    )
    direction = np.sqrt(np.maximum(1 - alpha_bar_next - sigma**2, 0))
    rows = {
        "t": t,
        "alpha_bar_next": alpha_bar_next.astype(np.float32),
        "sigma": sigma.astype(np.float32),
        "direction": direction.astype(np.float32),
    }

    def ddim_step(x_t, row):
        image, noise = denoise_fn(x_t, row["t"])
        if clip:
            image = jnp.clip(image, -1, 1)
            alpha_bar_t = jnp.asarray(alpha_bar, jnp.float32)[row["t"]]
            noise = (x_t - jnp.sqrt(alpha_bar_t) * image) / jnp.sqrt(1 - alpha_bar_t)
        fresh = jax.random.normal(jax.random.fold_in(key, row["t"]), x_t.shape)
        mean = jnp.sqrt(row["alpha_bar_next"]) * image + row["direction"] * noise
        return mean + row["sigma"] * fresh, None

    return jax.lax.scan(ddim_step, noise, rows)[0]
