"""Transformers and their block against PyTorch's, with the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import golden_arrays

from dljax.models.block import Block, BlockConfig
from dljax.models.transformer import transformer

TOKENS, WIDTH, HEADS = 7, 8, 2
BLOCK: dict = {"width": WIDTH, "heads": HEADS, "mlp_ratio": 3, "norm": "pre"}
BLOCK |= {"activation": "gelu", "rotary": False, "bias": True, "dropout": 0.0}
BLOCK_PATH = "block/{}/encoder/block_0/"
PARITY = {
    "gpt": {"architecture": "decoder", "bias": False, "tied": True},
    "translator": {
        "architecture": "encoder_decoder",
        "vocabulary": TOKENS,
        "norm": "post",
        "activation": "relu",
        "mlp_ratio": 2,
    },
    "reader": {
        "architecture": "encoder",
        "vocabulary": TOKENS,
        "positions": "sinusoidal",
        "mlp_ratio": 3,
    },
}


@pytest.fixture(scope="module", params=["kept", "live"])
def arrays(request):
    """PyTorch's arrays: stored in the repository, or computed if it is installed."""
    return golden_arrays(request.param, "transformer.npz", "make_transformer")


def tree(arrays, prefix):
    """The arrays below a path, as nested dicts."""
    nested = {}
    for path, value in arrays.items():
        if path.startswith(prefix):
            *parts, last = path.removeprefix(prefix).split("/")
            node = nested
            for part in parts:
                node = node.setdefault(part, {})
            node[last] = value
    return nested


@pytest.mark.parametrize("name", list(PARITY))
def test_transformer_equals_pytorch(arrays, name):
    options = dict(PARITY[name])
    net = transformer(
        options.pop("architecture"),
        WIDTH,
        TOKENS,
        depth=2,
        heads=HEADS,
        max_len=5,
        **options,
    )
    params, x = tree(arrays, f"{name}/params/"), arrays[f"{name}/x"]
    y = arrays[f"{name}/y"]
    inputs = x
    if name == "reader":
        inputs = {"x": x, "mask": arrays["mask"]}
    if name == "translator":
        source, decoder_inputs = np.split(x, 2, 1)
        inputs = {"x": source, "decoder_inputs": decoder_inputs, "mask": arrays["mask"]}

    def loss(params):
        logits, _ = net.apply(params, {}, inputs, key=None, train=True)
        likelihood = jnp.take_along_axis(jax.nn.log_softmax(logits), y[..., None], -1)
        return -likelihood.mean(), logits

    with jax.enable_x64(True):
        grads, logits = jax.jit(jax.grad(loss, has_aux=True))(params)
    np.testing.assert_allclose(logits, arrays[f"{name}/logits"], atol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        grads,
        tree(arrays, f"{name}/grads/"),
    )


def test_block_equals_pytorch(arrays):
    block = Block(BlockConfig(**BLOCK), cross_attention=False, causal=False, train=True)
    params, x = tree(arrays, BLOCK_PATH.format("params")), arrays["block/x"]
    mask = arrays["mask"][:, None, None]

    def loss(params, x):
        y, _ = block.apply({"params": params}, x, None, mask, None, None, 0)
        return (y * arrays["block/y"]).sum(), y

    with jax.enable_x64(True):
        results = jax.jit(jax.grad(loss, (0, 1), has_aux=True))(params, x)
    (to_params, to_x), y = results
    np.testing.assert_allclose(y, arrays["block/logits"], atol=1e-5)
    np.testing.assert_allclose(to_x, arrays["block/to_x"], atol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        to_params,
        tree(arrays, BLOCK_PATH.format("grads")),
    )
