"""Schedules, clipping, decay, accumulation and averages, against values by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dljax.training import optimizers


def walk(optimizer, gradients, params=None, model_state=None):
    """Applies gradients one after another; returns params and optimiser state."""
    params = {"w": jnp.zeros((2, 2)), "b": jnp.zeros(2)} if params is None else params
    opt = optimizers.init_ema_model_state(optimizer.init(params), model_state or {})
    for i, gradient in enumerate(gradients):
        extra = (
            {} if model_state is None else {"model_state": {"mean": jnp.float32(i + 1)}}
        )
        changes, opt = optimizer.update(gradient, opt, params, **extra)
        params = optax.apply_updates(params, changes)
    return params, opt


def some(n, scale=1.0):
    keys = jax.random.split(jax.random.key(0), n)
    return [
        {"w": scale * jax.random.normal(k, (2, 2)), "b": scale * jnp.ones(2)}
        for k in keys
    ]


def test_warmup_then_cosine():
    rate = optimizers.warmup_cosine(0.1, 100, warmup=10, end=0.01)
    assert float(rate(0)) == pytest.approx(0.01)
    assert float(rate(9)) == pytest.approx(0.1)
    assert float(rate(10)) == pytest.approx(0.1)
    assert float(rate(55)) == pytest.approx(0.1 * (0.01 + 0.99 * 0.5))
    assert float(rate(100)) == pytest.approx(0.001)


def test_descent_with_and_without_momentum():
    gradients = some(3)
    params, opt = walk(optimizers.sgd(0.1), gradients)
    by_hand = -0.1 * sum(g["w"] for g in gradients)
    np.testing.assert_allclose(params["w"], by_hand, rtol=1e-5)
    assert float(optimizers.learning_rate(opt)) == pytest.approx(0.1)
    params, _ = walk(optimizers.sgd(0.1, momentum=0.5), gradients)
    a, b, c = (g["w"] for g in gradients)
    by_hand = -0.1 * (a + (b + 0.5 * a) + (c + 0.5 * b + 0.25 * a))
    np.testing.assert_allclose(params["w"], by_hand, rtol=1e-5)


def test_adamw_equals_optax_adam_and_stores_its_rate():
    a, opt = walk(optimizers.adamw(0.01), some(5))
    b, _ = walk(optax.adam(0.01), some(5))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), a, b)
    assert float(optimizers.learning_rate(opt)) == pytest.approx(0.01)


def test_weight_decay_is_for_kernels_only():
    zero = [jax.tree.map(jnp.zeros_like, g) for g in some(1)]
    start = {"w": jnp.ones((2, 2)), "b": jnp.ones(2)}
    after, _ = walk(optimizers.adamw(0.1, weight_decay=0.5), zero, start)
    np.testing.assert_allclose(after["w"], 0.95)
    np.testing.assert_allclose(after["b"], 1.0)


def test_weight_decay_is_for_the_same_arrays_in_a_scan_over_layers():
    from dljax.models.transformer import transformer

    def total(scan):
        net = transformer("decoder", 8, 5, max_len=4, scan=scan, heads=2)
        params, _ = net.init(jax.random.key(0), jnp.zeros((1, 4), jnp.int32))
        chosen = optimizers.weight_decay_mask(params)
        sizes = jax.tree.map(lambda p, yes: p.size * yes, params, chosen)
        return sum(jax.tree.leaves(sizes))

    assert total(scan=True) == total(scan=False)


def test_clipping_makes_the_scale_of_large_gradients_irrelevant():
    a, _ = walk(optimizers.adamw(0.1, clip=1e-3), some(4, 10.0))
    b, _ = walk(optimizers.adamw(0.1, clip=1e-3), some(4, 1000.0))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4), a, b)


def test_accumulation_is_one_update_of_the_mean_gradient():
    gradients = some(6)
    pairs = [
        jax.tree.map(lambda x, y: (x + y) / 2, *gradients[i : i + 2]) for i in (0, 2, 4)
    ]
    a, opt = walk(optimizers.adamw(0.1, accumulate=2), gradients)
    b, _ = walk(optimizers.adamw(0.1), pairs)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), a, b)
    assert float(optimizers.learning_rate(opt)) == pytest.approx(0.1)


def test_ema_averages_params_and_model_state():
    decay = 0.5
    gradients = some(4)
    optimizer = optimizers.adamw(0.1, ema=decay)
    _, opt = walk(optimizer, gradients, model_state={"mean": jnp.float32(0)})
    params = {"w": jnp.zeros((2, 2)), "b": jnp.zeros(2)}
    plain, inner = optimizers.adamw(0.1), optimizers.adamw(0.1).init(params)
    expected, mean = params, 0.0
    for t, gradient in enumerate(gradients):
        changes, inner = plain.update(gradient, inner, params)
        params = optax.apply_updates(params, changes)
        d = min(decay, (1 + t) / (10 + t))
        expected = jax.tree.map(lambda a, b, d=d: d * a + (1 - d) * b, expected, params)
        mean = d * mean + (1 - d) * (t + 1)
    averages, model_state = optimizers.ema_params(opt)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), averages, expected
    )
    assert float(model_state["mean"]) == pytest.approx(mean)


def test_ema_changes_with_updates_not_with_accumulated_steps():
    optimizer = optimizers.adamw(0.1, ema=0.5, accumulate=2)
    _, opt = walk(optimizer, some(4), model_state={"mean": jnp.float32(0)})
    _, twice = walk(
        optimizers.adamw(0.1, ema=0.5),
        [jax.tree.map(lambda x, y: (x + y) / 2, *some(4)[i : i + 2]) for i in (0, 2)],
        model_state={"mean": jnp.float32(0)},
    )
    a, b = optimizers.ema_params(opt)[0], optimizers.ema_params(twice)[0]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), a, b)


def test_without_ema_there_are_no_averages():
    _, opt = walk(optimizers.adamw(0.1), some(1))
    assert optimizers.ema_params(opt) is None


def test_rates_may_be_traced():
    def after(rate):
        return walk(optimizers.adamw(rate, weight_decay=rate), some(3))[0]["w"]

    many = jax.vmap(after)(jnp.array([0.1, 0.2]))
    np.testing.assert_allclose(many[1], after(0.2), rtol=1e-5)
