"""Synthetic data sets with known targets.

Each example is a pure function of its index and is generated on the device; none is
stored. All seeds share the examples.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.sources.resident import order
from dljax.types import Batch, Source

SYMBOLS, BLANK, GO = 8, 0, 9  # of the copy task, whose symbols are 1 to 8


def adding(length: int, *, train: int = 50_000, held_out: int = 1_000) -> Source:
    """Returns the adding problem: the sum of two marked numbers of a sequence.

    The constant prediction 1 has a mean squared error of 1/6.

    Args:
      length: the length of the sequences.
      train: the number of training examples.
      held_out: the number of validation examples, and of test examples.

    Returns:
      a source whose batches have, in float32,

      - `x`: (b, length, 2); the first channel is uniform in [0, 1), the second is 1 at
        two random positions and else 0.
      - `y`: (b, 1), the sum.

    Source: Hochreiter, Schmidhuber 1997; marks as in Bai, Kolter, Koltun 2018.
    """

    def make(key):
        value_key, mark_key = jax.random.split(key)
        values = jax.random.uniform(value_key, (length,))
        marked = jax.random.choice(mark_key, length, (2,), replace=False)
        marks = jnp.zeros(length).at[marked].set(1)
        return {"x": jnp.stack([values, marks], -1), "y": (values @ marks).reshape(1)}

    return _synthetic("adding", make, train, held_out)


def copying(length: int, *, train: int = 10_000, held_out: int = 1_000) -> Source:
    """Returns the copy task: repeat ten symbols after `length` steps.

    Without memory, the cross-entropy is at least 10 ln 8 / (length + 20) nats per step.

    Args:
      length: the number of steps between the symbols and their repetition.
      train: the number of training examples.
      held_out: the number of validation examples, and of test examples.

    Returns:
      a source whose batches have, with shape (b, length + 20),

      - `x`: int32; ten symbols, length - 1 blanks, and 11 times the signal to repeat.
      - `y`: int32; length + 10 blanks, then the ten symbols.
      - `recall_mask`: float32; 1 at the last ten steps, else 0.

    Source: Hochreiter, Schmidhuber 1997; as in Bai, Kolter, Koltun 2018.
    """

    def make(key):
        symbols = jax.random.randint(key, (10,), 1, SYMBOLS + 1)
        blanks = jnp.full(length - 1, BLANK, jnp.int32)
        x = jnp.concatenate([symbols, blanks, jnp.full(11, GO, jnp.int32)])
        quiet = jnp.full(length + 10, BLANK, jnp.int32)
        recall = jnp.arange(length + 20) >= length + 10
        y = jnp.concatenate([quiet, symbols])
        return {"x": x, "y": y, "recall_mask": recall.astype(jnp.float32)}

    return _synthetic("copying", make, train, held_out)


def gaussian_images(
    shape: tuple[int, ...],
    *,
    mean: float = 0.0,
    deviation: float = 1.0,
    train: int = 10_000,
    held_out: int = 1_000,
) -> Source:
    """Returns a source of images whose pixels are independent Gaussians.

    Args:
      shape: the shape of an image.
      mean, deviation: the mean and standard deviation of each number in `x`.
      train: the number of training examples.
      held_out: the number of validation examples, and of test examples.

    Returns:
      a source whose batches have

      - `x`: float32 (b, ...), independent Gaussians.
      - `image`: float32 (b, ...), (1 + x) / 2: x scaled from [-1, 1] to [0, 1].
      - `label`: int32 (b,), all 0.
    """

    def make(key):
        pixels = mean + deviation * jax.random.normal(key, shape)
        return {"x": pixels, "image": (1 + pixels) / 2, "label": jnp.int32(0)}

    name = f"gaussian-{'x'.join(map(str, shape))}-{mean}-{deviation}"
    return _synthetic(name, make, train, held_out)


def _synthetic(
    name: str, make: Callable[[jax.Array], Batch], train: int, held_out: int
) -> Source:
    """A source whose example n is make(key), with a key derived from n."""

    def split(seed: int) -> dict[str, Any]:
        del seed
        bounds = np.cumsum([train, held_out, held_out])
        valid, test = np.arange(*bounds[:2]), np.arange(*bounds[1:])
        return {"train": np.arange(train), "valid": valid, "test": test}

    def gather(arrays, rows):
        numbers = jnp.take(arrays["number"], rows, axis=0)
        root = jax.random.key(0)
        return jax.vmap(lambda n: make(jax.random.fold_in(root, n)))(numbers)

    arrays = {"number": np.arange(train + 2 * held_out, dtype=np.int32)}
    first = jax.tree.map(np.asarray, gather(arrays, np.arange(100)))
    fingerprint = ArrayDataset(name, "1", first, split(0), ()).fingerprint
    return Source(name, "1", fingerprint, arrays, split, order, gather)
