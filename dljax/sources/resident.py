"""Sources: a table on the device, indexed inside the compiled program."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.splits import splits
from dljax.errors import UserError
from dljax.types import Source


def updates(config: Any, source: Source) -> int:
    """How many updates a run of this config makes: see `RunConfig.updates`."""
    return config.updates(len(source.split(config.seed)["train"]) // config.batch_size)


def stills(source: Source) -> tuple[jax.Array, int]:
    """One image of zeros, (1, h, w, c), as a network sees those of the source; and how
    many classes they have.

    Raises:
      UserError: they are clips, or there are none.
    """
    batch = _shapes(source)
    if "image" not in batch:
        raise UserError(f"--dataset={source.name}: has no images, and this takes them")
    shape = batch["image"].shape
    if len(shape) != 4:
        raise UserError(f"--dataset={source.name}: has clips, and this takes images")
    return jnp.zeros(shape), len(source.classes)


def example(source: Source, *names: str) -> dict[str, jax.Array]:
    """These arrays of a batch of one example, all zeros: for their shapes."""
    batch = _shapes(source)
    return {name: jnp.zeros(batch[name].shape, batch[name].dtype) for name in names}


def _shapes(source: Source) -> Any:
    row = jnp.zeros(1, jnp.int32)
    return jax.eval_shape(source.gather, source.arrays, row)


def take(arrays: Any, rows: jax.Array) -> dict[str, jax.Array]:
    """A `Source.gather` that leaves the values as they are."""
    return {name: jnp.take(array, rows, axis=0) for name, array in arrays.items()}


def order(key: jax.Array, rows: jax.Array) -> jax.Array:
    """One epoch's permutation of int32 rows (n,)."""
    return jax.random.permutation(key, rows)


def resident(table: ArrayDataset) -> Source:
    """A source of {"image": float32 in [0, 1] (b, h, w, c), "label": int32 (b,)}.

    Pixels are divided by `table.largest`; nothing is fitted to the data.
    """

    def gather(arrays, rows):
        return {
            "image": jnp.take(arrays["image"], rows, axis=0).astype(jnp.float32)
            / table.largest,
            "label": jnp.take(arrays["label"], rows, axis=0),
        }

    parts = splits(table, 0)
    folds = "test" not in table.parts
    return Source(
        name=table.name,
        version=table.version,
        fingerprint=table.fingerprint,
        arrays=table.arrays,
        split=lambda seed: splits(table, seed),
        order=order,
        gather=gather,
        classes=table.classes,
        test_train_ratio=len(parts["test"]) / len(parts["train"]) if folds else 0.0,
    )


def on_canvas(
    source: Source, size: int, *, centred: bool = False, seed: int = 0
) -> Source:
    """Every image at a random place, its own for all seeds, of an empty square.

    (b, h, w, c) becomes (b, size, size, c). With `centred` each is in the middle. A
    batch then has "place" too, int32 (b,): which of the places, row by row, it is.

    Raises:
      UserError: the images are larger than that.
    """
    if "image" not in source.arrays:
        raise UserError(f"--dataset={source.name}: has clips, and this takes images")
    images = source.arrays["image"]
    n, height, width, channels = images.shape
    if size < max(height, width):
        raise UserError(
            f"--canvas={size}: the images are {height}x{width}; at least that"
        )
    rng = np.random.default_rng(seed)
    tops = rng.integers(0, size - height + 1, n)
    lefts = rng.integers(0, size - width + 1, n)
    if centred:
        tops, lefts = np.full(n, (size - height) // 2), np.full(n, (size - width) // 2)
    rows = tops[:, None, None] + np.arange(height)[:, None]
    columns = lefts[:, None, None] + np.arange(width)
    placed = np.zeros((n, size, size, channels), images.dtype)
    placed[np.arange(n)[:, None, None], rows, columns] = images
    place = tops * (size - width + 1) + lefts

    def gather(arrays, rows):
        batch = source.gather(arrays, rows)
        return {**batch, "place": jnp.take(arrays["place"], rows, axis=0)}

    return source._replace(
        arrays={**source.arrays, "image": placed, "place": place.astype(np.int32)},
        gather=gather,
        fingerprint=f"{source.fingerprint}-canvas{size}.{'c' if centred else seed}",
    )


def with_train_eval(source: Source) -> Source:
    """The source with its training examples as the split "train_eval" too."""

    def split(seed):
        parts = source.split(seed)
        return {**parts, "train_eval": parts["train"]}

    return source._replace(split=split)


def shuffle_pixels(source: Source, *, seed: int = 0) -> Source:
    """The same images with their pixels moved by one fixed permutation for all.

    A bijection: no information is lost, only the neighbourhood. (b, h, w, c) stays.
    """
    n, height, width, channels = source.arrays["image"].shape
    move = np.random.default_rng(seed).permutation(height * width)
    flat = source.arrays["image"].reshape(n, height * width, channels)
    images = flat[:, move].reshape(n, height, width, channels)
    return source._replace(
        arrays={**source.arrays, "image": images},
        fingerprint=f"{source.fingerprint}-pixels{seed}",
    )
