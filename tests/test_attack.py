"""Attacks on nets with a known worst case, and against steps by hand in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dljax.interpret import attack
from dljax.models.mlp import mlp

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
X = RNG.uniform(0.3, 0.7, (6, 3, 4, 1)).astype(np.float32)
LABELS = np.array([0, 1, 1, 0, 1, 0])
W = RNG.normal(size=(12, 2)).astype(np.float32)
PGD = {"epsilon": 0.1, "steps": 6, "step_size": 0.04}


def linear(images, labels):
    """The losses (b,) of a linear classifier of two classes."""
    logits = images.reshape(len(images), -1) @ W
    return optax.softmax_cross_entropy(logits, jax.nn.one_hot(labels, 2))


def uphill(x, labels, first, second):
    """The gradient's sign for tanh(x @ first) @ second and cross-entropy, by hand."""
    hidden = np.tanh(x @ first)
    odds = np.exp(hidden @ second)
    share = odds / odds.sum(1, keepdims=True) - np.eye(second.shape[1])[labels]
    return np.sign(share @ second.T * (1 - hidden**2) @ first.T)


def test_fgsm_of_linear_net_is_sign_of_weight_difference():
    actual = attack.fgsm(linear, X, LABELS, epsilon=0.1)
    away = np.sign(W[:, 1] - W[:, 0]).reshape(1, 3, 4, 1)
    sign = np.where(LABELS == 0, 1, -1).reshape(6, 1, 1, 1)
    np.testing.assert_allclose(actual, X + 0.1 * sign * away, rtol=1e-6)


def test_pgd_equals_fgsm_on_linear_net():
    fgsm = attack.fgsm(linear, X, LABELS, epsilon=0.1)
    pgd = attack.pgd(KEY, linear, X, LABELS, **PGD)
    np.testing.assert_allclose(pgd, fgsm, rtol=1e-6)
    np.testing.assert_allclose(linear(pgd, LABELS), linear(fgsm, LABELS), rtol=1e-6)
    assert (linear(fgsm, LABELS) > linear(X, LABELS)).all()


@pytest.mark.parametrize("reduce", [jnp.asarray, jnp.sum, jnp.mean])
def test_attacks_of_nonlinear_net_equal_numpy(reduce):
    rng = np.random.default_rng(1)
    x = rng.random((5, 8)).astype(np.float32)
    labels = np.array([0, 2, 1, 1, 0])
    first, second = rng.normal(size=(8, 6)), rng.normal(size=(6, 3))

    def loss(images, labels):
        logits = jnp.tanh(images @ first.astype(np.float32)) @ second
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        return reduce(losses)

    by_hand = np.clip(x + 0.1 * uphill(x, labels, first, second), 0, 1)
    np.testing.assert_allclose(
        attack.fgsm(loss, x, labels, epsilon=0.1), by_hand, atol=1e-6
    )
    at = np.asarray(attack.pgd(KEY, loss, x, labels, **{**PGD, "steps": 0}))
    for _ in range(6):
        at = at + 0.04 * uphill(at, labels, first, second)
        at = np.clip(np.clip(at, x - 0.1, x + 0.1), 0, 1)
    actual = attack.pgd(KEY, loss, x, labels, **PGD)
    np.testing.assert_allclose(actual, at, atol=1e-6)


def test_attack_stays_in_ball_and_range():
    x = np.random.default_rng(2).random((6, 3, 4, 1)).astype(np.float32)
    x[0], x[1] = 0, 1
    start = attack.pgd(KEY, linear, x, LABELS, epsilon=0.1, steps=0, step_size=1.0)
    moved = np.asarray(start - x)[2:]
    assert moved.min() < -0.05
    assert moved.max() > 0.05
    other = attack.pgd(
        jax.random.key(1), linear, x, LABELS, epsilon=0.1, steps=0, step_size=1.0
    )
    assert (start != other).any()
    for epsilon in (0.0, 0.05, 0.3, 2.0):
        for y in (
            start if epsilon == 0.1 else x,
            attack.fgsm(linear, x, LABELS, epsilon=epsilon),
            attack.pgd(KEY, linear, x, LABELS, epsilon=epsilon, steps=3, step_size=0.5),
        ):
            assert np.abs(y - x).max() <= epsilon + 1e-6
            assert np.min(y) >= 0
            assert np.max(y) <= 1


def test_larger_epsilon_costs_more_accuracy():
    net = mlp((16,), 2)
    params, state = net.init(KEY, X)

    def losses(images, labels):
        logits, _ = net.apply(params, state, images, key=None, train=False)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)

    def attacked(epsilon, steps):
        x = attack.pgd(
            KEY, losses, X, LABELS, epsilon=epsilon, steps=steps, step_size=epsilon / 4
        )
        return losses(x, LABELS).mean()

    epsilons = jnp.array([0.0, 0.02, 0.05, 0.1])
    cost = np.asarray(jax.jit(jax.vmap(attacked, (0, None)))(epsilons, 10))
    assert (np.diff(cost) > 0).all()
    np.testing.assert_allclose(cost[0], losses(X, LABELS).mean(), rtol=1e-6)
    np.testing.assert_allclose(cost[2], attacked(0.05, 10), rtol=1e-5)


@pytest.mark.parametrize("traced", [False, True])
def test_attack_has_no_gradient_by_parameters(traced):
    def loss(w, images):
        logits = images.reshape(len(images), -1) @ w
        return optax.softmax_cross_entropy(logits, jax.nn.one_hot(LABELS, 2)).mean()

    def worst(w, steps):
        return attack.pgd(
            KEY, lambda x, _: loss(w, x), X, LABELS, **{**PGD, "steps": steps}
        )

    def robust(w, steps):
        return loss(w, worst(w, steps))

    gradient = jax.grad(robust)
    actual = (jax.jit(gradient) if traced else gradient)(W, 6)
    expected = jax.grad(loss)(W, worst(W, 6))
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
