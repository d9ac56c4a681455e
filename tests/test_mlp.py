"""Feed-forward nets: the three forms of a bias."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax.models.mlp import mlp
from dljax.tasks.classification import classification
from dljax.training import update
from dljax.training.optimizers import adamw

EXAMPLE = jnp.zeros((1, 3, 4))


def trained(bias, steps=30):
    task = classification(mlp((8, 8), 5, bias=bias), adamw(0.01), example=EXAMPLE)
    state = update.init(task, jax.random.key(0))
    step = jax.jit(lambda state, batch: update.update(task, state, batch)[0])
    rng = np.random.default_rng(0)
    for _ in range(steps):
        image = rng.normal(size=(16, 3, 4)).astype(np.float32)
        label = (image.sum((1, 2)) > 0).astype(np.int32)
        state = step(state, {"image": image, "label": label})
    return state.params["net"]


def test_a_bias_is_an_input_that_is_always_1():
    bias, as_input = trained("bias"), trained("input")
    for layer, of_bias in bias.items():
        kernel = as_input[layer]["kernel"]
        np.testing.assert_allclose(kernel[:-1], of_bias["kernel"], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(kernel[-1], of_bias["bias"], rtol=1e-3, atol=1e-5)
        assert np.abs(of_bias["bias"]).min() > 0


def test_without_bias_zero_maps_to_zero():
    params = trained("none")
    assert [list(layer) for layer in params.values()] == [["kernel"]] * 3
    net = mlp((8, 8), 5, bias="none")
    y, _ = net.apply(params, {}, EXAMPLE, key=None, train=False)
    np.testing.assert_array_equal(y, 0)


def test_unknown_bias_is_refused():
    with pytest.raises(ValueError, match="maybe"):
        mlp((8,), 5, bias="maybe")
