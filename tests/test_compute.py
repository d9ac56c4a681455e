"""Half-precision computing with float32 weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import others_long

from dljax.models import all_conv, cnn, mlp, recurrent, resnet, transformer, video
from dljax.models.net import map_inputs, with_compute_dtype


def sequences(x):
    return {"x": x, "decoder_inputs": x[..., :3]}


ATTENTION = recurrent.recurrent("attention", "gru", 8, 3, bidirectional=True)
NETS = {
    "attention": (map_inputs(ATTENTION, sequences), (6, 4)),
    "mlp": (mlp.mlp((8,), 3, dropout=0.2), (8, 8, 1)),
    "cnn": (cnn.cnn((4,), 8, 3, dropout=0.2), (8, 8, 1)),
    "resnet": (resnet.resnet(8, 3, width=4), (4, 4, 1)),
    "all_conv": (all_conv.all_conv((4,), 3, repeats=1), (4, 4, 1)),
    "cnn_3d": (video.cnn_3d((4,), 8, 3), (4, 8, 8, 1)),
    "cnn_frames": (video.cnn_frames((4,), 8, 3), (4, 8, 8, 1)),
    "gru": (recurrent.recurrent("many_to_one", "gru", 8, 3), (6, 4)),
    "lstm": (recurrent.recurrent("many_to_one", "lstm", 8, 3, dropout=0.2), (6, 4)),
    "transformer": (
        transformer.transformer("encoder", 8, 3, max_len=6, dropout=0.2),
        (6, 4),
    ),
}


SHORTLY = ("cnn", "lstm", "transformer")


@pytest.mark.parametrize(
    "name",
    others_long(NETS, SHORTLY),
)
def test_bfloat16_is_close_and_keeps_float32_params(name):
    net, shape = NETS[name]
    x = np.random.default_rng(0).normal(size=(16, *shape)).astype(np.float32)
    half = with_compute_dtype(net, "bfloat16")
    params, model_state = jax.jit(half.init)(jax.random.key(0), x[:1])

    @functools.partial(jax.jit, static_argnums=1)
    def trained(params, net):
        def loss(params):
            key = jax.random.key(1)
            y, new = net.apply(params, model_state, x, key=key, train=True)
            return (y**2).mean(), (y, new)

        gradient, (y, new) = jax.grad(loss, has_aux=True)(params)
        return gradient, y, new

    gradient, y, old = trained(params, net)
    other, z, new = trained(params, half)
    every = jax.tree.leaves((params, z, new, other))
    assert {leaf.dtype for leaf in every} == {jnp.dtype("float32")}
    assert (np.asarray(y) != np.asarray(z)).any()
    flat = [
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
        for tree in ((y, old), (z, new), gradient, other)
    ]
    # For a ResNet this small, 0.07 to 0.15 depending on x.
    most = 0.2 if name == "resnet" else 0.1
    for a, b, share in ((*flat[:2], 0.02), (*flat[2:], most)):
        assert np.linalg.norm(a - b) < share * np.linalg.norm(a)


def test_integers_are_not_cast():
    def apply(params, model_state, x, *, key, train):
        assert x.dtype == jnp.int32
        return params["table"][x], model_state

    net = with_compute_dtype(mlp.Net(lambda key, x: ({}, {}), apply), "bfloat16")
    tokens = jnp.arange(3)
    y, _ = net.apply({"table": jnp.ones(3)}, {}, tokens, key=None, train=False)
    assert y.dtype == jnp.float32
