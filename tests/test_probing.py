"""Activations of layers, and linear probes of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import table
from flax import linen as nn
from user_errors import user_error

from dljax.interpret import layers
from dljax.models.cnn import cnn
from dljax.models.layers import Conv
from dljax.models.mlp import mlp
from dljax.models.net import net
from dljax.ops.conv import conv
from dljax.ops.pooling import max_pool
from dljax.tasks import probing as probing_file
from dljax.tasks.classification import classification
from dljax.tasks.probing import probing
from dljax.training import programs, update
from dljax.training.optimizers import adamw, sgd
from dljax.types import Net

IMAGES = np.random.default_rng(0).random((3, 6, 5, 1)).astype(np.float32)
close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)


def initialized(model):
    return model, *model.init(jax.random.key(0), IMAGES)


def test_recorded_activations_equal_numpy():
    model, params, model_state = initialized(cnn((2, 3), 4, 2, dropout=0.5))
    outputs = layers.activations(model, params, model_state, IMAGES)
    values = layers.layer_inputs(model, params, model_state, IMAGES)
    x = jnp.asarray(IMAGES)
    inputs, expected_outputs = {"input": x}, {}
    for name in ("Conv_0", "Conv_1"):
        expected_outputs[name] = conv(x, params[name]["kernel"])
        x = max_pool(jax.nn.relu(expected_outputs[name]))
        inputs["before_Conv_1" if name == "Conv_0" else "before_Dense_0"] = x
    inputs["before_Dense_0"] = x = x.reshape(3, -1)
    expected_outputs["Dense_0"] = x @ params["Dense_0"]["kernel"]
    inputs["before_Dense_1"] = x = jax.nn.relu(expected_outputs["Dense_0"])
    expected_outputs["Dense_1"] = inputs["output"] = x @ params["Dense_1"]["kernel"]
    assert list(outputs) == list(expected_outputs)
    assert list(values) == list(inputs)
    jax.tree.map(close, outputs, expected_outputs)
    jax.tree.map(close, values, inputs)


class _Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = jnp.tanh(nn.Dense(4)(x))
        return nn.Dense(2)(x)


class _Place(nn.Module):
    """A layer without inputs, like a Transformer's position embeddings."""

    @nn.compact
    def __call__(self):
        return self.param("place", nn.initializers.ones, (1, 6, 5, 1))


class _Twice(nn.Module):
    @nn.compact
    def __call__(self, x, *, train: bool = False):
        layer = Conv(1, name="Shared")
        return _Block(name="Block")(layer(layer(x) + _Place()()).reshape(len(x), -1))


def test_nested_and_repeated_layers_have_names():
    model, params, model_state = initialized(net(_Twice()))
    outputs = layers.activations(model, params, model_state, IMAGES)
    assert list(outputs) == ["Shared", "_Place_0", "Shared#2", "Block"]
    values = layers.layer_inputs(model, params, model_state, IMAGES)
    assert list(values) == ["input", "before_Shared#2", "before_Block", "output"]
    close(values["before_Shared#2"], outputs["Shared"] + outputs["_Place_0"])
    inner = "Block/Dense_1"
    chosen = layers.activations(model, params, model_state, IMAGES, layers=[inner])
    close(chosen[inner], outputs["Block"])
    with user_error("layer-called-twice", "layer Shared"):
        layers.as_function_of_layer(model, params, model_state, IMAGES, layer="Shared")
    with user_error("unknown-layer", "layer Share:", "Shared?"):
        layers.activations(model, params, model_state, IMAGES, layers=["Share"])


def test_the_net_as_a_function_of_a_layers_output():
    model, params, model_state = initialized(mlp((4,), 2))
    values, output = layers.as_function_of_layer(
        model, params, model_state, IMAGES, layer="Dense_0"
    )
    plain, _ = model.apply(params, model_state, IMAGES, key=None, train=False)
    close(output(values), plain)
    bias = np.asarray(params["Dense_1"]["bias"])
    close(output(jnp.zeros_like(values)), np.tile(bias, (3, 1)))


def xor(n=160):
    """Images of two pixels that are on or off; the label is whether they differ."""
    rng = np.random.default_rng(0)
    on = rng.integers(0, 2, (n, 2))
    image = (on + 0.1 * rng.normal(size=(n, 2))).astype(np.float32)
    arrays = {"image": image.reshape(n, 1, 2, 1), "label": on[:, 0] ^ on[:, 1]}
    return arrays | {"first": on[:, 0]}


def task(probes=None, **options):
    return probing(
        mlp((16, 8), 2),
        adamw(0.02),
        example=jnp.zeros((1, 1, 2, 1)),
        outputs=2,
        probes=probes or sgd(1.0),
        **options,
    )


def measured(task, steps=250):
    source = table(xor())
    program = programs.make_program(task, source, (0, 1), strategy="map", batch_size=16)
    state = program.init()
    start = program.to_host(state)
    state, _ = program.train_steps(state, program.shuffle(state, 0), 0, steps)
    metrics = program.evaluate(state, "test", final_metrics=True)
    shares = {k: np.asarray(total / count) for k, (total, count) in metrics.items()}
    return shares, start, program.to_host(state)


def test_linear_probe_learns_xor_only_after_hidden_layer():
    shares, _, _ = measured(task())
    deeper = [
        "accuracy_1_before_Dense_1",
        "accuracy_2_before_Dense_2",
        "accuracy_3_output",
    ]
    assert set(shares) == {"loss", "accuracy", "accuracy_0_input", *deeper}
    assert (shares["accuracy_0_input"] < 0.8).all(), "a line divides 3 of 4 corners"
    for name in ("accuracy", *deeper):
        assert (shares[name] > 0.95).all(), name


def test_probes_may_have_another_target():
    shares, _, _ = measured(task(label="first"))
    assert (shares["accuracy_0_input"] > 0.95).all()


def test_untrained_net_keeps_initial_parameters():
    shares, start, end = measured(task(train_net=False), 100)
    jax.tree.map(np.testing.assert_array_equal, start.params["net"], end.params["net"])
    np.testing.assert_array_equal(shares["accuracy"], shares["accuracy_3_output"])
    assert (shares["accuracy_1_before_Dense_1"] > shares["accuracy_0_input"]).all()


def test_probes_do_not_change_the_net():
    options = {"example": jnp.zeros((1, 1, 2, 1))}
    alone = classification(mlp((16, 8), 2), adamw(0.02), **options)
    batch = {k: v[:16] for k, v in xor().items()}
    trained, probed = (update.init(t, jax.random.key(0)) for t in (alone, task()))
    for _ in range(3):
        trained, _ = update.update(alone, trained, batch)
        probed, _ = update.update(task(), probed, batch)
    jax.tree.map(
        np.testing.assert_array_equal,
        trained.params["net"],
        probed.params["net"],
    )
    assert np.abs(probed.params["probes"]["0_input"]["kernel"]).max() > 0


def test_probe_features_are_normalised():
    x = jnp.asarray(np.random.default_rng(0).gamma(2.0, size=(64, 7)), jnp.float32)
    nothing = {"mean": jnp.zeros(7), "square": 0.0, "weight": 0.0}

    def scaled(x):
        return probing_file._scaled(x, probing_file._average(nothing, x))

    close(scaled(x).mean(0), np.zeros(7), atol=1e-5)
    close((scaled(x) ** 2).sum(1).mean(), 1.0, rtol=1e-3)
    close(scaled(40 * x + 5), scaled(x), rtol=1e-2, atol=1e-3)
    assert np.isfinite(probing_file._scaled(x, nothing)).all()


def test_pixels_are_decoded_only_from_layers_that_keep_them():
    """All of the input; after a layer that adds pairs of pixels, one half."""
    rng = np.random.default_rng(2)
    images = rng.normal(size=(400, 2, 2, 1)).astype(np.float32)
    source = table({"image": images, "label": np.zeros(400, np.int32)}, train=300)
    pairs = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)

    def apply(params, model_state, x, *, key, train):
        del key, train
        return x.reshape(len(x), 4) @ pairs, model_state

    task = probing(
        Net(lambda key, example: ({}, {}), apply),
        sgd(0.0),
        example=images[:1],
        outputs=0,
        probes=adamw(0.02),
        train_net=False,
        label="image",
    )
    program = programs.make_program(task, source, [0], strategy="map", batch_size=20)
    state = program.init()
    orders = program.shuffle(state, 0)
    state, _ = program.train_steps(state, orders, 0, program.steps_per_shuffle)
    metrics = {
        k: float(s[0] / n[0])
        for k, (s, n) in program.evaluate(state, "test", final_metrics=True).items()
    }
    assert metrics["r2_0_input"] == pytest.approx(1, abs=0.03)
    assert metrics["r2_1_output"] == pytest.approx(0.5, abs=0.1)
    assert metrics["r2"] == metrics["r2_1_output"]
