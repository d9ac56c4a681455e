"""Gradients computed without jax.grad, against jax.grad."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dljax.models.mlp import mlp
from dljax.tasks.backprop_variants import (
    finite_differences,
    mlp_gradient,
    with_gradient,
)

KEY = jax.random.key(0)
X = jax.random.normal(jax.random.key(1), (6, 2, 3))
LABELS = jax.nn.one_hot(jnp.arange(6) % 4, 4)
NET = mlp((5, 7), 4)


@pytest.fixture(scope="module")
def params():
    initial, _ = NET.init(KEY, X)
    return jax.tree.map(lambda leaf: leaf + 0.1, initial)  # biases too


def loss(params):
    logits, _ = NET.apply(params, {}, X, key=None, train=False)
    return optax.softmax_cross_entropy(logits, LABELS).mean()


def error(logits):
    return (jax.nn.softmax(logits) - LABELS) / len(LABELS)


def close(a, b, tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=tolerance), a, b)


def test_manual_backward_pass_equals_jax_grad(params):
    close(mlp_gradient(params, X, error), jax.grad(loss)(params), 1e-6)


def test_finite_differences_equal_jax_grad(params):
    close(finite_differences(loss, params), jax.grad(loss)(params), 1e-3)


def test_feedback_changes_all_layers_but_the_last(params):
    other, _ = NET.init(jax.random.key(5), X)
    feedback = {name: layer["kernel"] for name, layer in other.items()}
    gradient = mlp_gradient(params, X, error, feedback)
    true = jax.grad(loss)(params)
    close(gradient["Dense_2"], true["Dense_2"], 1e-6)
    for layer in ("Dense_0", "Dense_1"):
        assert np.abs(gradient[layer]["kernel"] - true[layer]["kernel"]).max() > 0.01
    # With the weights as feedback it is the gradient.
    same = {name: layer["kernel"] for name, layer in params.items()}
    close(mlp_gradient(params, X, error, same), true, 1e-6)


def test_with_gradient_replaces_the_gradient(params):
    target = jax.tree.map(lambda leaf: jnp.full_like(leaf, 3.0), params)
    value, gradient = jax.value_and_grad(lambda p: with_gradient(loss(p), p, target))(
        params
    )
    np.testing.assert_allclose(value, loss(params), rtol=1e-6)
    close(gradient, target, 0)
