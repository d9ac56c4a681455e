"""The nets of GANs and diffusion against PyTorch's, with copied weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import golden_arrays, others_long
from flax import linen as nn

from dljax.models.diffusion import dit, unet
from dljax.models.gan import critic, generator
from dljax.models.layers import ConvTranspose
from dljax.models.net import net


class _Transposed(nn.Module):
    @nn.compact
    def __call__(self, x, *, train=False):
        return ConvTranspose(2, name="conv")(x)


NETS = {
    "transposed": lambda: net(_Transposed()),
    "generator": lambda: generator((8, 8, 1), (4, 3)),
    "critic": lambda: critic((3, 4)),
    "unet": lambda: unet((8, 8), classes=2, heads=2),
    "dit": lambda: dit(2, 8, depth=1, heads=2, classes=2),
}


@pytest.fixture(scope="module", params=["kept", "live"])
def arrays(request):
    """Golden arrays of PyTorch."""
    return golden_arrays(request.param, "generators.npz", "make_generators")


SHORTLY = ("critic", "transposed")


@pytest.mark.parametrize(
    "name",
    others_long(NETS, SHORTLY),
)
def test_nets_equal_pytorch(arrays, name):
    arrays_of_net = {
        k.removeprefix(f"{name}/"): v.astype(np.float64)
        for k, v in arrays.items()
        if k.startswith(name)
    }
    with jax.enable_x64(True):
        model = NETS[name]()
        others = {k: jnp.asarray(arrays[k]) for k in ("t", "label")}

        def inputs_of(x):
            return {"x": x, **others} if name in ("unet", "dit") else x

        x = jnp.asarray(arrays_of_net["x"])
        shapes, model_state = model.init(jax.random.key(0), inputs_of(x))
        params = jax.tree_util.tree_map_with_path(
            lambda path, _: jnp.asarray(arrays_of_net[f"params/{joined(path)}"]), shapes
        )

        def forward(params, x):
            inputs = inputs_of(x)
            return model.apply(params, model_state, inputs, key=None, train=True)[0]

        y, back = jax.vjp(forward, params, x)
        grads, dx = back(jnp.asarray(arrays_of_net["g"]))
        np.testing.assert_allclose(y, arrays_of_net["y"], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(dx, arrays_of_net["dx"], rtol=1e-5, atol=1e-5)
        leaves = jax.tree_util.tree_flatten_with_path(grads)[0]
        assert len(leaves) == sum(key.startswith("grads/") for key in arrays_of_net)
        for path, grad in leaves:
            expected = arrays_of_net[f"grads/{joined(path)}"]
            np.testing.assert_allclose(grad, expected, rtol=1e-5, atol=1e-5)


def joined(path):
    return "/".join(part.key for part in path)
