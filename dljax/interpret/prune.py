"""Magnitude pruning: setting a share of the weights to 0."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dljax.models.net import is_kernel

ORDERS: dict[str, Callable[[jax.Array, Any], jax.Array]] = {
    "smallest": lambda w, key: jnp.abs(w),
    "largest": lambda w, key: -jnp.abs(w),
    "random": lambda w, key: jax.random.uniform(key, w.shape),
}


def map_kernels(change: Callable[[jax.Array, Any], jax.Array], params: Any, key: Any):
    """The same tree with change(kernel, key of its own) in the place of every kernel.

    Kernels are all arrays of two or more axes that are not called "bias" or "scale":
    the weights of Dense, Conv, Embed and recurrent layers.
    """
    leaves, tree = jax.tree_util.tree_flatten_with_path(params)
    changed = []
    for i, (path, leaf) in enumerate(leaves):
        if is_kernel(path, leaf):
            leaf = change(leaf, None if key is None else jax.random.fold_in(key, i))
        changed.append(leaf)
    return jax.tree.unflatten(tree, changed)


def prune(
    params: Any, fraction: Any, *, by: str = "smallest", key: jax.Array | None = None
) -> Any:
    """Sets a share of every kernel's entries to 0: exactly round(fraction * entries).

    Layer by layer, as is customary: each kernel loses the same share. Of equal entries
    the first go first. Biases stay.

    Args:
      fraction: 0 to 1; may be traced.
      by: which go: those of the "smallest" or "largest" absolute value, or "random"
        ones, drawn from `key`.

    Source: LeCun, Denker, Solla 1990; Han et al. 2015; Blalock et al. 2020.

    Raises:
      KeyError: `by` is none of these. ValueError: "random" without a key.
    """
    order_of = ORDERS[by]
    if by == "random" and key is None:
        raise ValueError('prune by "random" needs a key')

    def cut(w, key):
        order = jnp.argsort(order_of(w, key), axis=None)
        gone = jnp.arange(w.size) < jnp.round(fraction * w.size)
        flat = jnp.ravel(w)
        return flat.at[order].set(jnp.where(gone, 0, flat[order])).reshape(w.shape)

    return map_kernels(cut, params, key)
