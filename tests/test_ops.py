"""Pools, softmax and dense products against their plain forms and PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from dljax.models.layers import Dense
from dljax.ops import dense, pooling

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def close(a, b):
    np.testing.assert_allclose(a, b, **CLOSE)


@pytest.mark.parametrize("name", ["max", "average"])
def test_pools_equal_pytorch(golden, name):
    y, back = jax.vjp(pooling.POOLS[name], golden[f"{name}_x"])
    close(y, golden[f"{name}_y"])
    close(back(golden[f"{name}_g"])[0], golden[f"{name}_dx"])


@pytest.mark.parametrize("n", [2, 3])
def test_max_pool_equals_reduce_window(n):
    x = np.random.default_rng(0).normal(size=(2, 7, 9, 3)).astype(np.float32)

    y, back = jax.vjp(lambda x: pooling.max_pool(x, n), x)
    expected, plain_back = jax.vjp(lambda x: pooling.plain_max_pool(x, n), x)
    close(y, expected)
    close(back(jnp.sin(y))[0], plain_back(jnp.sin(y))[0])


def test_max_pool_gradient_goes_to_one_of_equal_values():
    gradient = jax.grad(lambda x: pooling.max_pool(x).sum())(jnp.ones((1, 4, 4, 1)))
    assert float(gradient.sum()) == 4
    assert set(np.unique(gradient)) == {0.0, 1.0}


def test_softmax_equals_jax():
    rng = np.random.default_rng(0)
    x, g = (4 * rng.normal(size=(3, 5, 7)).astype(np.float32) for _ in range(2))
    (a, to_a), (b, to_b) = (jax.vjp(f, x) for f in (dense.softmax, jax.nn.softmax))
    close(a, b)
    close(to_a(g)[0], to_b(g)[0])


def test_dense_of_sequences_equals_linen():
    x = jax.random.normal(jax.random.key(0), (2, 3, 4))
    layer, plain = Dense(5), nn.Dense(5)
    params = plain.init(jax.random.key(1), x)

    def total(net):
        return lambda params, x: (net.apply(params, x) ** 2).sum()

    actual, expected = (
        jax.value_and_grad(total(net), (0, 1))(params, x) for net in (layer, plain)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), actual, expected
    )


def test_max_pool_3d_equals_reduce_window():
    x = np.random.default_rng(0).normal(size=(5, 7, 8, 8, 1)).astype(np.float32)
    expected = pooling.plain_max_pool_3d(x)
    np.testing.assert_array_equal(pooling.max_pool_3d(x), expected)


def test_accelerators_run_the_plain_product_and_softmax(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    x, kernel = jnp.zeros((2, 3, 4)), jnp.zeros((4, 5))
    contracted = (((2,), (0,)), ((), ()))
    jaxpr = jax.make_jaxpr(lambda x: dense.dense_product(x, kernel, contracted))(x)
    assert [e.primitive.name for e in jaxpr.eqns] == ["dot_general"]
    assert "custom_vjp" not in str(jax.make_jaxpr(dense.softmax)(x))
