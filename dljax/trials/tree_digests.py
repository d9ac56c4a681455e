"""Named arrays of a checkpoint: their digests, and the differences of two sets."""

import hashlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np


def flatten_names(tree: Any) -> dict[str, Any]:
    """Returns {"params.net.Dense_0.kernel": leaf, ...} for the leaves of a tree.

    Names instead of a tree structure let a checkpoint be read without its classes.
    """
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    leaves = {
        jax.tree_util.keystr(path, simple=True, separator=".").replace("/", "|"): leaf
        for path, leaf in flat
    }
    assert len(leaves) == len(flat), "two leaves with the same name"
    return leaves


def describe_leaves(leaves: Mapping[str, np.ndarray]) -> dict[str, list]:
    """Returns {name: [dtype, shape, BLAKE2b-128 of the bytes]}."""
    return {
        name: [str(leaf.dtype), list(leaf.shape), _digest(leaf)]
        for name, leaf in leaves.items()
    }


def _digest(array: np.ndarray) -> str:
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return hashlib.blake2b(raw.data, digest_size=16).hexdigest()


def leaf_differences(saved: Mapping[str, list], model: Mapping[str, Any]) -> list[str]:
    """Lists the differences in name, dtype or shape between saved and current leaves.

    Args:
      saved: as `describe_leaves` returns.
      model: {name: anything with a dtype and a shape}.

    Returns:
      one string per difference, "NAME: saved DTYPE SHAPE, now DTYPE SHAPE".
    """
    old = {name: leaf[:2] for name, leaf in saved.items()}
    new = {name: [str(v.dtype), list(v.shape)] for name, v in model.items()}
    return [
        f"{name}: saved {_shape(old.get(name))}, now {_shape(new.get(name))}"
        for name in sorted(new.keys() | old.keys())
        if new.get(name) != old.get(name)
    ]


def config_differences(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Lists the differences between two nested JSON objects, as `leaf_differences`."""
    old, new = _flatten_json(saved), _flatten_json(now)
    return [
        f"{name}: saved {old.get(name)}, now {new.get(name)}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _flatten_json(value: Any, name: str = "") -> dict[str, Any]:
    """Returns {"fixed.batch_size": 64, ...} for a nested JSON object."""
    if not isinstance(value, Mapping):
        return {name: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flatten_json(inner, f"{name}.{key}" if name else str(key))
    return flat


def _shape(leaf: list | None) -> str:
    return f"{leaf[0]} ({', '.join(map(str, leaf[1]))})" if leaf else "nothing"
