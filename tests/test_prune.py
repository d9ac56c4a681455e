"""Pruning: the number of pruned weights, and which ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax.interpret.prune import prune

RNG = np.random.default_rng(0)
PARAMS = {
    "Conv_0": {"kernel": RNG.normal(size=(3, 3, 2, 5)), "bias": RNG.normal(size=5)},
    "Attention_0": {"query": {"kernel": RNG.normal(size=(7, 2, 4))}},
    "Dense_0": {"kernel": RNG.normal(size=(10, 10)), "bias": RNG.normal(size=(2, 5))},
    "BatchNorm_0": {"scale": RNG.normal(size=5), "bias": RNG.normal(size=5)},
}
PARAMS = jax.tree.map(lambda leaf: leaf.astype(np.float32), PARAMS)
KERNELS = (("Conv_0", "kernel"), ("Attention_0", "query"), ("Dense_0", "kernel"))


def kernels(params):
    for module, name in KERNELS:
        leaf = params[module][name]
        yield np.asarray(leaf["kernel"] if name == "query" else leaf)


@pytest.mark.parametrize("by", ["smallest", "largest", "random"])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.37, 0.5, 1.0])
def test_prune_zeroes_a_fraction_of_every_kernel(by, fraction):
    pruned = prune(PARAMS, fraction, by=by, key=jax.random.key(0))
    for before, after in zip(kernels(PARAMS), kernels(pruned), strict=True):
        gone = after == 0
        assert gone.sum() == round(fraction * before.size)
        np.testing.assert_array_equal(after[~gone], before[~gone])
        if by != "random" and gone.any() and not gone.all():
            size = np.abs(before)
            if by == "smallest":
                assert size[gone].max() <= size[~gone].min()
            else:
                assert size[gone].min() >= size[~gone].max()
    for module in ("Conv_0", "Dense_0", "BatchNorm_0"):
        np.testing.assert_array_equal(pruned[module]["bias"], PARAMS[module]["bias"])
    np.testing.assert_array_equal(
        pruned["BatchNorm_0"]["scale"], PARAMS["BatchNorm_0"]["scale"]
    )


def test_ties_are_pruned_in_order():
    ones = {"kernel": jnp.array([[1.0, -1.0], [2.0, 1.0]])}
    np.testing.assert_array_equal(prune(ones, 0.5)["kernel"], [[0, 0], [2, 1]])


def test_fraction_may_be_traced():
    fractions = jnp.array([0.0, 0.3, 0.9])
    many = jax.jit(jax.vmap(lambda f: prune(PARAMS, f)))(fractions)
    for i, fraction in enumerate((0.0, 0.3, 0.9)):
        run = jax.tree.map(lambda leaf, i=i: leaf[i], many)
        jax.tree.map(np.testing.assert_array_equal, run, prune(PARAMS, fraction))


def test_random_pruning_depends_on_key_and_kernel():
    same = {"a": {"kernel": jnp.ones((20, 20))}, "b": {"kernel": jnp.ones((20, 20))}}
    first, second = (
        prune(same, 0.5, by="random", key=jax.random.key(k)) for k in (0, 1)
    )
    assert (first["a"]["kernel"] != first["b"]["kernel"]).any()
    assert (first["a"]["kernel"] != second["a"]["kernel"]).any()


def test_invalid_fractions_are_refused():
    with pytest.raises(ValueError, match="random"):
        prune(PARAMS, 0.5, by="random")
    with pytest.raises(KeyError):
        prune(PARAMS, 0.5, by="middle")
