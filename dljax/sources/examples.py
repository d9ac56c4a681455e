"""Batches of zeros with the shapes of a source's batches, to initialise networks."""

from typing import Any

import jax
import jax.numpy as jnp

from dljax.errors import UserError
from dljax.types import Source


def image_example(source: Source) -> tuple[jax.Array, int]:
    """Returns a batch of one image of zeros, (1, h, w, c), and the number of classes.

    Raises:
      UserError: the source has no images, or clips instead of images.
    """
    batch = _shapes(source)
    if "image" not in batch:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={source.name}: has no images; give a data set of images, such "
            "as digits",
        )
    shape = batch["image"].shape
    if len(shape) != 4:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={source.name}: has clips; give a data set of images, such as "
            "digits",
        )
    return jnp.zeros(shape), len(source.classes)


def example_batch(source: Source, *names: str) -> dict[str, jax.Array]:
    """Returns the arrays `names` of a batch of one example, all zeros.

    Raises:
      KeyError: batches of the source lack a name.
    """
    batch = _shapes(source)
    return {name: jnp.zeros(batch[name].shape, batch[name].dtype) for name in names}


def _shapes(source: Source) -> Any:
    row = jnp.zeros(1, jnp.int32)
    return jax.eval_shape(source.gather, source.arrays, row)
