"""Denoising diffusion: which noise is in the image, at any share of noise?

x_t = sqrt(kept_t) x + sqrt(1 - kept_t) noise, t from 0 to steps - 1, as in Ho, Jain,
Abbeel 2020, whose alpha-bar is `kept`. Images are in [-1, 1] here, in [0, 1] elsewhere.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dljax.ops.backend_forms import on_cpu
from dljax.types import Net, SampleEvaluator, Task, Turn

SCHEDULES = ("linear", "cosine")
PREDICTED = ("noise", "image", "velocity")
AT_ONCE = 250  # examples that are made
AT_ONCE_ON_CPU = 32  # what its cache holds: of MNIST 1.4 times as many a second
HIDDEN = 0.1  # of labels, in training, for guidance


class Sampler(NamedTuple):
    """steps, eta, clip: see `denoised`. guidance: w of classifier-free guidance, 1 + w
    times what is told with the label less w times without (Ho and Salimans 2022); -1 is
    without a label.
    """

    steps: int = 50
    eta: float = 0.0
    guidance: float = 0.0
    clip: bool = True


GENERATED = {"generated": Sampler()}


def kept_share(schedule: str, steps: int = 1000) -> np.ndarray:
    """float64 (steps,): which share of an image's variance is there at each step.

    Source: Ho, Jain, Abbeel 2020, for "linear" (betas from 1e-4 to 0.02 over 1000
    steps, in proportion for other numbers); Nichol and Dhariwal 2021 for "cosine".

    Raises:
      ValueError: an unknown schedule.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule {schedule}: must be one of {SCHEDULES}")
    if schedule == "linear":
        scale = 1000 / steps
        betas = np.linspace(scale * 1e-4, min(scale * 0.02, 0.999), steps)
    else:
        at = np.cos((np.arange(steps + 1) / steps + 0.008) / 1.008 * np.pi / 2) ** 2
        betas = np.minimum(1 - at[1:] / at[:-1], 0.999)
    return np.cumprod(1 - betas)


def target(predicted: str, x: Any, noise: Any, kept: Any) -> Any:
    """What is to be predicted: the noise, the image, or the velocity sqrt(kept) noise -
    sqrt(1 - kept) x (Salimans and Ho 2022). `kept` broadcasts.
    """
    if predicted == "noise":
        return noise
    if predicted == "image":
        return x
    return jnp.sqrt(kept) * noise - jnp.sqrt(1 - kept) * x


def image_and_noise(predicted: str, told: Any, noisy: Any, kept: Any) -> tuple:
    """The image and the noise that a prediction stands for."""
    image, noise = jnp.sqrt(kept), jnp.sqrt(1 - kept)
    if predicted == "noise":
        return (noisy - noise * told) / image, told
    if predicted == "image":
        return told, (noisy - image * told) / noise
    return image * noisy - noise * told, noise * noisy + image * told


def denoised(
    tell: Callable[[Any, Any], tuple[Any, Any]],
    noisy: jax.Array,
    key: jax.Array,
    *,
    kept: np.ndarray,
    steps: int,
    eta: float,
    clip: bool,
) -> jax.Array:
    """From pure noise (b, ...) to images, by one scan over `steps` of the schedule's.

    Args:
      tell: (noisy (b, ...), t int32) -> the image and the noise in it.
      eta: how much noise is added again: 1 as in ancestral sampling (with as many steps
        as the schedule's that of Ho et al. 2020, of the smaller variance), 0 none: DDIM
        (Song, Meng, Ermon 2021, equations 12 and 16).
      clip: images are kept within [-1, 1] at every step.
    """
    at = np.linspace(len(kept) - 1, 0, steps).round().astype(np.int32)
    now = kept[at]
    then = np.append(now[1:], 1.0)
    again = eta * np.sqrt((1 - then) / (1 - now) * (1 - now / then))
    rows = {
        "t": at,
        "then": then.astype(np.float32),
        "again": again.astype(np.float32),
        "rest": np.sqrt(np.maximum(1 - then - again**2, 0)).astype(np.float32),
    }

    def step(x, row):
        image, noise = tell(x, row["t"])
        if clip:
            image = jnp.clip(image, -1, 1)
            share = jnp.asarray(kept, jnp.float32)[row["t"]]
            noise = (x - jnp.sqrt(share) * image) / jnp.sqrt(1 - share)
        fresh = jax.random.normal(jax.random.fold_in(key, row["t"]), x.shape)
        x = jnp.sqrt(row["then"]) * image + row["rest"] * noise + row["again"] * fresh
        return x, None

    return jax.lax.scan(step, noisy, rows)[0]


def diffusion(
    net: Net,
    optimizer: Any,
    *,
    example: Any,
    schedule: str = "cosine",
    predicted: str = "noise",
    noising: int = 1000,
    classes: int = 0,
    samplers: Mapping[str, Sampler] = GENERATED,
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """Denoising over batches {"image": (b, h, w, c) in [0, 1], "label": int32 (b,)}.

    Args:
      net: {"x": noisy (b, h, w, c), "t": (b,) from 0 to 1, "label"} -> (b, h, w, c).
      example: one batch of images, for its shape.
      schedule, noising: see `kept_share`, of so many steps.
      predicted: what the net's output is; its mean squared error is minimised.
      classes: samples are of the classes of the batch's labels, which the net is told;
        in training a tenth of them is hidden. 0: it is told none.
      samplers: {name of the samples: how they are made}.
      sample_evaluator: as `Task.sample_evaluator`.

    Measures `mse`, of the noise that the prediction stands for, and `loss`, of what is
    predicted, at times that are spread evenly over the batch.

    Raises:
      ValueError: an unknown schedule or prediction.
    """
    if predicted not in PREDICTED:
        raise ValueError(f"predicted {predicted}: must be one of {PREDICTED}")
    share = kept_share(schedule, noising)

    def given(x, t, label):
        told = {"x": x, "t": (t + 0.5) / noising}
        return {**told, "label": label} if classes else told

    def init(key):
        first = jnp.zeros(1, jnp.int32)
        params, model_state = net.init(key, given(example, first, first))
        return {"net": params}, model_state

    def errors(params, model_state, batch, key, train):
        """Squared errors (b,) of what is predicted, and of the noise; and
        model_state.
        """
        when, what, hide, drop, turn = jax.random.split(key, 5)
        x = 2 * batch["image"] - 1
        b = len(x)
        # One time of each b-th of the schedule, which spreads them evenly.
        spread = jax.random.permutation(turn, b) + jax.random.uniform(when, (b,))
        t = jnp.minimum((spread * (noising / b)).astype(jnp.int32), noising - 1)
        kept = jnp.asarray(share, jnp.float32)[t].reshape(b, *[1] * (x.ndim - 1))
        noise = jax.random.normal(what, x.shape)
        noisy = jnp.sqrt(kept) * x + jnp.sqrt(1 - kept) * noise
        label = batch["label"] if classes else t
        if classes and train:
            hidden = jax.random.bernoulli(hide, HIDDEN, (b,))
            label = jnp.where(hidden, classes, label)
        told, model_state = net.apply(
            params["net"], model_state, given(noisy, t, label), key=drop, train=train
        )
        _, as_noise = image_and_noise(predicted, told, noisy, kept)
        axes = tuple(range(1, x.ndim))
        asked = target(predicted, x, noise, kept)
        found = [
            ((a - b) ** 2).mean(axes) for a, b in ((told, asked), (as_noise, noise))
        ]
        return *found, model_state

    def loss(params, model_state, batch, key, step):
        del step
        own, _, model_state = errors(params, model_state, batch, key, True)
        return own.mean(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        own, noise, _ = errors(params, model_state, batch, key, False)
        weight, count = batch["weight"], batch["weight"].sum()
        told = {"loss": own, "mse": noise}
        return {name: ((each * weight).sum(), count) for name, each in told.items()}

    def sample(params, model_state, batch, key):
        asked = batch["label"] if classes else jnp.zeros(len(batch["image"]), int)
        keys = jax.random.split(key, len(asked))
        found = {
            name: jax.lax.map(
                functools.partial(made, params, model_state, sampler),
                (keys, asked),
                batch_size=AT_ONCE_ON_CPU if on_cpu() else AT_ONCE,
            )
            for name, sampler in samplers.items()
        }
        return {**found, "target_class": asked} if classes else found

    def made(params, model_state, sampler, row):
        """One image in [0, 1], of a key and a label."""
        key, label = row
        begin, key = jax.random.split(key)

        def tell(x, t) -> tuple:
            def answer(label) -> jax.Array:
                of = given(x[None], t[None], label[None])
                return net.apply(params["net"], model_state, of, key=None, train=False)[
                    0
                ][0]

            none, w = jnp.full_like(label, classes), sampler.guidance
            told = answer(none if w == -1 else label)
            if classes and w not in (0, -1):
                told = (1 + w) * told - w * answer(none)
            kept = jnp.asarray(share, jnp.float32)[t]
            return image_and_noise(predicted, told, x, kept)

        noise = jax.random.normal(begin, example.shape[1:])
        image = denoised(
            tell,
            noise,
            key,
            kept=share,
            steps=sampler.steps,
            eta=sampler.eta,
            clip=sampler.clip,
        )
        return (image + 1) / 2

    turns = (Turn("net", loss, optimizer),)
    return Task(init, turns, metrics, sample, sample_evaluator=sample_evaluator)
