"""Magnitude pruning: sets a share of the weights to 0."""

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
    """Replaces each kernel of the params by change(kernel, key).

    Kernels are all arrays of two or more axes that are not named "bias" or "scale": the
    weights of Dense, Conv, Embed and recurrent layers.

    Args:
      change: (kernel, key) -> array; each kernel has its own key, None if `key` is
        None.
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
    """Sets a share of each kernel's entries to 0: exactly round(fraction * entries).

    Pruning is layer-wise: all kernels lose the same share. Among equal entries the
    first are pruned. Biases are unchanged.

    Args:
      params: the parameters.
      fraction: 0 to 1; may be traced.
      by: prunes the entries of "smallest" or "largest" magnitude, or "random" entries.
      key: for by="random".

    Raises:
      KeyError: an unknown `by`.
      ValueError: by="random" without a key.

    Source: LeCun, Denker, Solla 1990; Han et al. 2015; Blalock et al. 2020.
    """
    order_of = ORDERS[by]
    if by == "random" and key is None:
        raise ValueError('by="random": give a key')

    def cut(w, key):
        order = jnp.argsort(order_of(w, key), axis=None)
        gone = jnp.arange(w.size) < jnp.round(fraction * w.size)
        flat = jnp.ravel(w)
        return flat.at[order].set(jnp.where(gone, 0, flat[order])).reshape(w.shape)

    return map_kernels(cut, params, key)
