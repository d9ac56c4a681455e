"""Diffusion: schedules, prediction types and samplers against closed forms."""

import families
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax.models.diffusion import dit, unet
from dljax.tasks import diffusion
from dljax.training import optimizers, update
from dljax.types import Net
from experiments.reference import gaussian_diffusion as exact


def test_schedules_run_from_the_image_to_noise():
    for name in diffusion.SCHEDULES:
        for steps in (100, 1000):
            alpha_bar = diffusion.alpha_bar_schedule(name, steps)
            assert (np.diff(alpha_bar) < 0).all()
            assert alpha_bar[0] > 0.99
            assert 0 < alpha_bar[-1] < 1e-4
    # Ho et al. 2020: betas from 1e-4 to 0.02.
    alpha_bar = diffusion.alpha_bar_schedule("linear")
    assert alpha_bar[0] == pytest.approx(1 - 1e-4)
    assert alpha_bar[-1] / alpha_bar[-2] == pytest.approx(1 - 0.02)
    # Nichol and Dhariwal 2021: half of the variance at half of the time.
    assert diffusion.alpha_bar_schedule("cosine")[499] == pytest.approx(0.49, abs=0.01)
    with pytest.raises(ValueError, match="square"):
        diffusion.alpha_bar_schedule("square")


@pytest.mark.parametrize("prediction_type", diffusion.PREDICTION_TYPES)
def test_a_prediction_implies_an_image_and_a_noise(prediction_type):
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 5, 3))
    for alpha_bar in (0.99, 0.5, 0.01):
        noisy = np.sqrt(alpha_bar) * x + np.sqrt(1 - alpha_bar) * noise
        prediction = diffusion.prediction_target(prediction_type, x, noise, alpha_bar)
        actual = diffusion.image_and_noise(
            prediction_type, prediction, noisy, alpha_bar
        )
        np.testing.assert_allclose(actual[0], x, atol=1e-4)
        np.testing.assert_allclose(actual[1], noise, atol=1e-4)


@pytest.mark.parametrize("schedule", diffusion.SCHEDULES)
def test_samplers_have_the_moments_of_the_exact_recursion(schedule):
    alpha_bar = diffusion.alpha_bar_schedule(schedule, exact.NUM_TIMESTEPS)
    task = exact.optimal_task("v", schedule)
    params, model_state = task.init(jax.random.key(0))
    zeros = {"image": jnp.zeros((200, exact.SIDE, exact.SIDE, 1))}
    samples = task.sample(params, model_state, zeros, jax.random.key(1))
    for name, sampler in exact.SAMPLERS.items():
        mean, variance = exact.exact_moments(alpha_bar, sampler)
        x = np.asarray(2 * samples[name] - 1, np.float64)
        assert abs(x.mean() - mean) < 4 * (variance / x.size) ** 0.5
        assert abs(x.var() / variance - 1) < 4 * (2 / x.size) ** 0.5
        if name == "ancestral":  # with all steps: close to the data's
            assert variance == pytest.approx(exact.DEVIATION**2, rel=0.2)


def test_ancestral_sampling_of_all_steps_equals_ddpm():
    """Ho et al. 2020, algorithm 2, with their mean of x_{t-1} and smaller variance."""
    alpha_bar = diffusion.alpha_bar_schedule("linear", 10)
    noisy = np.random.default_rng(0).normal(size=4).astype(np.float32)
    key = jax.random.key(3)

    def denoise_fn(x, t):
        noise = 0.3 * x + 0.1
        share = jnp.asarray(alpha_bar, jnp.float32)[t]
        return diffusion.image_and_noise("epsilon", noise, x, share)

    actual = diffusion.ddim_sample(
        denoise_fn,
        jnp.asarray(noisy),
        key,
        alpha_bar=alpha_bar,
        steps=10,
        eta=1.0,
        clip=False,
    )
    x = noisy.astype(np.float64)
    before = np.append(1.0, alpha_bar[:-1])
    for t in range(9, -1, -1):
        alpha = alpha_bar[t] / before[t]
        fresh = np.asarray(jax.random.normal(jax.random.fold_in(key, t), (4,)))
        mean = x - (1 - alpha) / np.sqrt(1 - alpha_bar[t]) * (0.3 * x + 0.1)
        spread = np.sqrt((1 - before[t]) / (1 - alpha_bar[t]) * (1 - alpha))
        x = mean / np.sqrt(alpha) + spread * fresh
    np.testing.assert_allclose(actual, x, rtol=2e-4, atol=1e-5)


def test_guidance_extrapolates_from_the_unconditional_prediction():
    """The net outputs its label; no label is 2."""

    def apply(params, model_state, inputs, *, key, train):
        del key, train
        label = inputs["label"].reshape(-1, 1, 1, 1).astype(jnp.float32)
        return label + 0 * params["unused"] + 0 * inputs["x"], model_state

    net = dit(2, 8, classes=2)._replace(
        init=lambda key, x: ({"unused": jnp.zeros([])}, {}), apply=apply
    )
    base = families.denoising(net).task
    task = diffusion.diffusion(
        net,
        base.turns[0].optimizer,
        example=jnp.zeros((1, 4, 4, 1)),
        prediction_type="sample",
        num_classes=2,
        samplers={
            "generated": diffusion.Sampler(2, clip=False),
            "guided": diffusion.Sampler(2, guidance=3.0, clip=False),
            "classless": diffusion.Sampler(2, guidance=-1.0, clip=False),
        },
    )
    params, model_state = task.init(jax.random.key(0))
    batch = {"image": jnp.zeros((2, 4, 4, 1)), "label": jnp.array([0, 1])}
    samples = task.sample(params, model_state, batch, jax.random.key(0))
    expected = {
        "generated": (0, 1),
        "guided": (4 * 0 - 6, 4 * 1 - 6),
        "classless": (2, 2),
    }
    for name, values in expected.items():
        for image, value in zip(samples[name], values, strict=True):
            np.testing.assert_allclose(2 * image - 1, value, atol=1e-4)


def test_timesteps_are_independent_of_the_position_in_the_batch():
    """The net outputs the time t; its mean squared error is t^2 plus the noise's."""

    def apply(params, model_state, inputs, *, key, train):
        del params, key, train
        time = inputs["t"].reshape(-1, 1, 1, 1)
        return jnp.broadcast_to(time, inputs["x"].shape), model_state

    net = Net(lambda key, inputs: ({}, {}), apply)
    example = jnp.zeros((1, 16, 16, 1))
    task = diffusion.diffusion(
        net, optimizers.sgd(0.0), example=example, prediction_type="epsilon"
    )
    batch = {"image": jnp.zeros((8, 16, 16, 1)), "weight": jnp.eye(8)[0]}
    errors = [
        float(task.metrics({"net": {}}, {}, batch, jax.random.key(k))["mse"][0])
        for k in range(20)
    ]
    assert min(errors) < 1.3  # for times below 1/8 only, at most 1 + 1/64 + noise
    assert max(errors) > 1.5


@pytest.mark.parametrize(
    "size", [pytest.param((8, 8, 1), marks=pytest.mark.long), (7, 5, 3)]
)
def test_unet_takes_any_image_size_and_depends_on_time_and_label(size):
    net = unet((8, 16), classes=3)
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, *size)), jnp.float32)
    inputs = {"x": x, "t": jnp.array([0.1, 0.1]), "label": jnp.array([1, 1])}
    params, model_state = jax.jit(net.init)(jax.random.key(0), inputs)

    @jax.jit
    def apply(inputs):
        return net.apply(params, model_state, inputs, key=None, train=False)[0]

    def denoised(**changes):
        return apply(inputs | changes)

    first = denoised()
    assert first.shape == x.shape
    for change in ({"t": jnp.array([0.1, 0.9])}, {"label": jnp.array([1, 3])}):
        other = denoised(**change)
        np.testing.assert_allclose(first[0], other[0], atol=1e-5)
        assert np.abs(first[1] - other[1]).max() > 1e-3


def test_dit_keeps_patches_in_place():
    """Without contributions of blocks, a patch changes only the same patch."""
    net = dit(2, 4, depth=1)
    x = np.zeros((1, 4, 6, 1), np.float32)
    inputs = {"x": jnp.asarray(x), "t": jnp.zeros(1)}
    params, model_state = net.init(jax.random.key(0), inputs)
    params = jax.tree_util.tree_map_with_path(
        lambda path, p: p * (not {"out", "mlp_down"} & {part.key for part in path}),
        params,
    )
    x[0, 2:4, 2:4] = 1
    y, z = (
        net.apply(params, model_state, inputs | {"x": image}, key=None, train=False)[0]
        for image in (jnp.asarray(x), inputs["x"])
    )
    moved = np.abs(np.asarray(y - z))[0, ..., 0]
    np.testing.assert_array_equal(moved > 0, x[0, ..., 0] > 0)


@pytest.mark.long
def test_samples_use_the_averaged_weights():
    """They do not depend on the last weights."""
    family = families.diffusion()
    state = update.init(family.task, jax.random.key(0))
    rows = jnp.arange(3)
    args = family.task, family.source
    samples = update.sample(*args, state, rows, family.source.arrays)["generated"]
    gone = state._replace(params=jax.tree.map(jnp.zeros_like, state.params))
    again = update.sample(*args, gone, rows, family.source.arrays)["generated"]
    np.testing.assert_array_equal(samples, again)
    (averaged,) = (
        opt for opt in state.opt["net"] if isinstance(opt, optimizers.ParamsEmaState)
    )
    links = tuple(
        opt._replace(params=jax.tree.map(lambda p: p + 0.1, averaged.params))
        if opt is averaged
        else opt
        for opt in state.opt["net"]
    )
    other = state._replace(opt={"net": links})
    changed = update.sample(*args, other, rows, family.source.arrays)["generated"]
    assert (changed != samples).any()
