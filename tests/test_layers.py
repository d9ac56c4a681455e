"""Layers and small nets against numpy, and against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax.models import cnn, layers, mlp
from dljax.models.layers import Conv
from dljax.ops.conv import plain_conv
from dljax.ops.pooling import POOLS, max_pool
from dljax.tasks.classification import classification
from dljax.training import update
from dljax.training.optimizers import adamw

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def close(a, b):
    np.testing.assert_allclose(a, b, **CLOSE)


@pytest.mark.parametrize("layer", [Conv, layers.ConvTranspose, layers.Conv3d])
def test_the_size_of_a_kernel_is_an_integer(layer):
    assert layer(2, np.int64(5)).size == 5
    with pytest.raises(ValueError, match=r"size=\(3, 3\)"):
        layer(2, (3, 3))


def test_one_training_step_equals_pytorch(golden):
    net = cnn.net(_Small())
    task = classification(net, adamw(0.01), example=jnp.zeros((1, 6, 6, 1)))
    state = update.init(task, jax.random.key(0))
    before, after = (
        {
            "Conv_0": {"kernel": golden[k], "bias": golden[f"{p}_conv_bias"]},
            "Dense_0": {
                "kernel": golden[f"{p}_dense"],
                "bias": golden[f"{p}_dense_bias"],
            },
        }
        for p, k in (("step", "step_kernel"), ("after", "after_kernel"))
    )
    batch = {"image": golden["step_x"], "label": golden["step_labels"]}
    new, metrics = update.update(task, state._replace(params={"net": before}), batch)
    close(metrics["loss"][0], golden["step_loss"])
    jax.tree.map(close, new.params["net"], after)


class _Small(cnn.nn.Module):
    """The net of tests/golden/make.py."""

    @cnn.nn.compact
    def __call__(self, x, *, train: bool = False):
        x = max_pool(jax.nn.relu(Conv(2)(x)))
        return cnn.nn.Dense(3)(x.reshape(x.shape[0], -1))


def test_mlp_is_matrix_products_by_hand():
    x = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    net = mlp.mlp((4,), 2, activation="tanh")
    params, model_state = net.init(jax.random.key(0), x)
    y, _ = net.apply(params, model_state, x, key=None, train=False)
    a, b = params["Dense_0"], params["Dense_1"]
    hidden = np.tanh(x.reshape(5, 6) @ a["kernel"] + np.asarray(a["bias"])[None])
    close(y, hidden @ b["kernel"] + np.asarray(b["bias"])[None])


def test_an_mlp_may_have_no_hidden_layer_and_no_bias():
    net = mlp.mlp((), 3, bias="none")
    params, _ = net.init(jax.random.key(0), jnp.zeros((1, 4)))
    assert jax.tree.map(np.shape, params) == {"Dense_0": {"kernel": (4, 3)}}


@pytest.mark.parametrize("name", list(mlp.ACTIVATIONS))
def test_activations_by_name(name):
    net = mlp.mlp((3,), 2, activation=name)
    params, model_state = net.init(jax.random.key(0), jnp.zeros((1, 4)))
    y, _ = net.apply(params, model_state, np.ones((2, 4)), key=None, train=False)
    assert y.shape == (2, 2)
    assert np.isfinite(y).all()
    if name == "step":
        values = mlp.ACTIVATIONS[name](jnp.array([-1.0, 0.0, 2.0]))
        np.testing.assert_array_equal(values, [0, 0, 1])


@pytest.mark.parametrize("pool", list(POOLS))
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_cnn_pools_after_its_activation(pool, activation):
    """Or before it, if the values are the same."""
    net = cnn.cnn((2,), 4, 3, pool=pool, activation=activation)
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 1)).astype(np.float32)
    params, model_state = net.init(jax.random.key(0), x)
    y, _ = net.apply(params, model_state, x, key=None, train=False)
    act = mlp.ACTIVATIONS[activation]
    conv, *dense = (params[k] for k in ("Conv_0", "Dense_0", "Dense_1"))
    h = plain_conv(x, conv["kernel"]) + conv["bias"].reshape(1, 1, 1, -1)
    h = POOLS[pool](act(h)).reshape(2, -1)
    h = act(h @ dense[0]["kernel"] + dense[0]["bias"][None])
    close(y, h @ dense[1]["kernel"] + dense[1]["bias"][None])


def test_parameter_counts_and_equal_sizes():
    net = cnn.cnn((16, 32), 128, 10)
    params, _ = net.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    counted = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert counted == cnn.cnn_parameters((8, 8, 1), (16, 32), 128, 10)
    width = mlp.width_for(counted, inputs=64, outputs=10)
    assert abs(mlp.mlp_parameters(64, (width,), 10) / counted - 1) < 0.05


def test_cnn_with_global_average_pooling_takes_other_sizes():
    net = cnn.cnn((2,), 0, 3, head="average")
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 1)).astype(np.float32)
    params, model_state = net.init(jax.random.key(0), jnp.zeros((1, 4, 4, 1)))
    y, _ = net.apply(params, model_state, x, key=None, train=False)
    conv, dense = params["Conv_0"], params["Dense_0"]
    h = plain_conv(x, conv["kernel"]) + conv["bias"].reshape(1, 1, 1, -1)
    h = jax.nn.relu(max_pool(h)).mean((1, 2))
    close(y, h @ dense["kernel"] + dense["bias"][None])


def test_an_unknown_head_is_an_error_at_once():
    with pytest.raises(ValueError, match="tail"):
        cnn.cnn((2,), 0, 3, head="tail")


def test_dropout_keeps_the_mean_takes_a_traced_rate_and_is_off_in_evaluation():
    def dropped(rate):
        layer = layers.Dropout(rate)
        return layer.apply({}, jnp.ones(20_000), train=True, rngs={"noise": key})

    key = jax.random.key(0)
    y = jax.jit(dropped)(0.3)
    assert abs(float((y == 0).mean()) - 0.3) < 0.02
    assert abs(float(y.mean()) - 1) < 0.02
    still = layers.Dropout(0.3).apply({}, jnp.ones(5), train=False)
    np.testing.assert_array_equal(still, np.ones(5))


@pytest.mark.parametrize("make", [mlp.mlp, cnn.cnn])
def test_an_unknown_activation_is_an_error_at_once(make):
    arguments = ((3,), 2) if make is mlp.mlp else ((3,), 2, 2)
    with pytest.raises(KeyError, match="relo"):
        make(*arguments, activation="relo")
