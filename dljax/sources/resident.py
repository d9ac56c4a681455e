"""Resident sources: arrays on the device, indexed inside the compiled program."""

from typing import Any

import jax
import jax.numpy as jnp

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.splits import split_by_seed
from dljax.types import Source


def updates(config: Any, source: Source) -> int:
    """Returns the number of updates of a run; see `RunConfig.updates`."""
    return config.updates(len(source.split(config.seed)["train"]) // config.batch_size)


def take_rows(arrays: Any, rows: jax.Array) -> dict[str, jax.Array]:
    """A `Source.gather` that returns rows of all arrays, unchanged."""
    return {name: jnp.take(array, rows, axis=0) for name, array in arrays.items()}


def order(key: jax.Array, rows: jax.Array) -> jax.Array:
    """A `Source.order`: a uniform permutation of int32 rows (n,)."""
    return jax.random.permutation(key, rows)


def resident(dataset: ArrayDataset) -> Source:
    """Returns a source of labelled images, split by `splits.split_by_seed`.

    Args:
      dataset: labelled images (see `ArrayDataset`). Pixels are divided by
        `dataset.max_value`; nothing is fitted to the data.

    Returns:
      a source whose batches have `image`, float32 (b, h, w, c) in [0, 1], and `label`,
      int32 (b,).
    """

    def gather(arrays, rows):
        return {
            "image": jnp.take(arrays["image"], rows, axis=0).astype(jnp.float32)
            / dataset.max_value,
            "label": jnp.take(arrays["label"], rows, axis=0),
        }

    split = split_by_seed(dataset)
    parts = split(0)
    folds = "test" not in dataset.parts
    return Source(
        name=dataset.name,
        version=dataset.version,
        fingerprint=dataset.fingerprint,
        arrays=dataset.arrays,
        split=split,
        order=order,
        gather=gather,
        classes=dataset.classes,
        test_train_ratio=len(parts["test"]) / len(parts["train"]) if folds else 0.0,
    )
