"""The all-convolutional net: its layers by hand, its number of parameters."""

import jax
import jax.numpy as jnp
import numpy as np

from dljax.models.all_conv import all_conv
from dljax.ops.conv import plain_conv


def test_all_conv_equals_a_chain_of_convolutions():
    net = all_conv((2, 3), 4, repeats=1)
    x = np.random.default_rng(0).normal(size=(2, 9, 7, 1)).astype(np.float32)
    params, model_state = net.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)))
    y, _ = net.apply(params, model_state, x, key=None, train=False)
    h = x
    for i, stride in enumerate((1, 2, 1, 2, 1, 1, 1)):
        layer = params[f"Conv_{i}"]
        h = plain_conv(h, layer["kernel"], stride) + layer["bias"].reshape(1, 1, 1, -1)
        h = jax.nn.relu(h) if i < 6 else h
    np.testing.assert_allclose(y, h.mean((1, 2)), rtol=1e-4, atol=1e-5)
    assert len(params) == 7


def test_published_net_has_1_4_million_parameters():
    x = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32)
    params, _ = jax.eval_shape(all_conv((96, 192), 10).init, jax.random.key(0), x)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 1_369_738
