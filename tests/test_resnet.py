"""Residual nets against PyTorch's, and BatchNorm's running averages."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dljax.models.layers import BatchNorm
from dljax.models.net import with_compute_dtype
from dljax.models.resnet import resnet
from dljax.tasks.classification import classification
from dljax.training import update

CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def close(a, b, **wider):
    tolerance = CLOSE | wider
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


def applied(net, *, train):
    return jax.jit(functools.partial(net.apply, key=None, train=train))


def trees(golden, name):
    """(params, model_state) of PyTorch's net, from arrays at PATH/KIND."""
    params, model_state = {}, {"batch_stats": {}}
    for path, value in golden.items():
        if path.startswith(f"{name}/"):
            _, *parts, kind = path.split("/")
            at = model_state["batch_stats"] if kind in ("mean", "var") else params
            for part in parts:
                at = at.setdefault(part, {})
            at[kind] = value
    return params, model_state


def test_two_training_steps_equal_pytorch(golden):
    """SGD with momentum and coupled weight decay; running averages too."""
    net = resnet(8, 3, width=2)
    params, model_state = trees(golden, "resnet_before")
    x = golden["resnet_x"]
    shapes = jax.eval_shape(net.init, jax.random.key(0), x)
    assert jax.tree.map(np.shape, shapes) == jax.tree.map(
        np.shape, (params, model_state)
    )
    y, _ = applied(net, train=True)(params, model_state, x)
    close(y, golden["resnet_y"])
    optimizer = optax.chain(optax.add_decayed_weights(1e-4), optax.sgd(0.1, 0.9))
    task = classification(net, optimizer, example=x)
    state = jax.jit(lambda key: update.init(task, key))(jax.random.key(0))
    state = state._replace(params={"net": params}, model_state=model_state)
    batch = {"image": x, "label": golden["resnet_labels"]}
    step = jax.jit(lambda state: update.update(task, state, batch))
    for _ in range(2):
        state, _ = step(state)
    after, averages = trees(golden, "resnet_after")
    close(state.params["net"], after)
    close(state.model_state, averages)
    y, _ = applied(net, train=False)(after, averages, x)
    close(y, golden["resnet_evaluated"])


def test_resnet_20_and_its_step_equal_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is in the extra `bench`")
    from golden.make import resnet_arrays

    from experiments.bench import torch_models

    torch.manual_seed(0)
    theirs = torch_models.resnet(20, 10).train()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 32, 32, 3)).astype(np.float32)
    labels = rng.integers(0, 10, 8)
    params, model_state = trees(resnet_arrays("before", theirs), "before")
    net = resnet(20, 10)
    shapes = jax.eval_shape(net.init, jax.random.key(0), x)
    assert jax.tree.map(np.shape, shapes) == jax.tree.map(
        np.shape, (params, model_state)
    )

    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, weight_decay=1e-4)
    expected = theirs(torch.tensor(x).permute(0, 3, 1, 2))
    torch.nn.functional.cross_entropy(expected, torch.tensor(labels)).backward()
    optimizer.step()
    y, _ = applied(net, train=True)(params, model_state, x)
    close(y, expected.detach().numpy())

    sgd = optax.chain(optax.add_decayed_weights(1e-4), optax.sgd(0.1))
    task = classification(net, sgd, example=x)
    state = jax.eval_shape(lambda: update.init(task, jax.random.key(0)))
    state = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), state.opt)
    start = update.State(
        jnp.int32(0),
        jnp.bool_(True),
        jax.random.key(0),
        {"net": params},
        state,
        model_state,
    )
    batch = {"image": x, "label": jnp.asarray(labels)}
    after, _ = jax.jit(lambda state: update.update(task, state, batch))(start)
    # Twenty normalizations over eight images amplify differences of last bits.
    expected = trees(resnet_arrays("a", theirs), "a")
    close((after.params["net"], after.model_state), expected, atol=5e-4)


@pytest.mark.parametrize(("depth", "count"), [(20, 269_722), (56, 853_018)])
def test_resnet_has_published_number_of_parameters(depth, count):
    x = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    params, _ = jax.eval_shape(resnet(depth, 10).init, jax.random.key(0), x)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


@pytest.mark.parametrize("depth", [2, 18, 21])
def test_other_depths_are_refused(depth):
    with pytest.raises(ValueError, match=rf"\b{depth}\b"):
        resnet(depth, 10)


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="layer"):
        resnet(8, 10, norm="layer")


@pytest.mark.parametrize("size", [(4, 4), (7, 5)])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_resnet_takes_any_image_size(size, norm):
    net = resnet(8, 2, width=2, norm=norm)
    params, model_state = jax.jit(net.init)(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    assert bool(model_state) == (norm == "batch")
    y, _ = applied(net, train=False)(params, model_state, jnp.ones((3, *size, 1)))
    assert y.shape == (3, 2)


def test_running_averages_stay_float32_and_move_a_tenth_of_the_way():
    x = np.random.default_rng(0).normal(3, 2, (5, 2, 2, 3)).astype(np.float32)
    layer = BatchNorm()
    variables = layer.init(jax.random.key(0), x, train=False)
    for dtype, close in ((jnp.float32, 1e-5), (jnp.bfloat16, 2e-2)):
        y, new = layer.apply(
            variables, jnp.asarray(x, dtype), train=True, mutable=["batch_stats"]
        )
        assert y.dtype == dtype
        averages = new["batch_stats"]
        assert {leaf.dtype for leaf in averages.values()} == {jnp.dtype("float32")}
        flat = x.reshape(-1, 3)
        np.testing.assert_allclose(averages["mean"], 0.1 * flat.mean(0), rtol=close)
        variance = 0.9 + 0.1 * flat.var(0, ddof=1)
        np.testing.assert_allclose(averages["var"], variance, rtol=close)
        y = np.asarray(y, np.float32).reshape(-1, 3)
        np.testing.assert_allclose(y.mean(0), 0, atol=close)
        np.testing.assert_allclose(y.std(0), 1, atol=close)


def test_float32_compute_dtype_changes_nothing():
    net = resnet(8, 2, width=2)
    assert with_compute_dtype(net, "float32") is net
