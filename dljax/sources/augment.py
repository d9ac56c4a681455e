"""Augmentation: (key, images, ...) -> images, new at every step, inside the program.

Images are (b, h, w, c), usually float32 in [0, 1]; every image draws its own numbers.
What is moved in from outside is 0. Strengths may be traced, and so be an array axis of
a study; a strength of 0 leaves the images as they are. All is differentiable with
respect to the images.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates


def shift(key: jax.Array, images: jax.Array, *, max_pixels: Any) -> jax.Array:
    """Every image moved by up to `max_pixels` whole pixels up or down, and sideways.

    With max_pixels=4 it is "pad by 4 and crop" of He et al. 2016, section 4.2.
    """
    limit = jnp.asarray(max_pixels).astype(jnp.int32)
    down, right = jax.random.randint(key, (2, len(images)), -limit, limit + 1)
    return shift_by(images, down=down, right=right)


def shift_by(images: jax.Array, *, down: jax.Array, right: jax.Array) -> jax.Array:
    """Every image moved by its own whole numbers of pixels: int32 (b,) each."""
    _, h, w, c = images.shape
    padded = jnp.pad(images, ((0, 0), (h, h), (w, w), (0, 0)))

    def shift_image(image, down, right):
        return jax.lax.dynamic_slice(image, (h - down, w - right, 0), (h, w, c))

    return jax.vmap(shift_image)(padded, down, right)


def rotate(key: jax.Array, images: jax.Array, *, max_degrees: Any) -> jax.Array:
    """Every image turned by an angle between -max_degrees and max_degrees."""
    share = jax.random.uniform(key, (len(images),), minval=-1.0)
    return rotate_by(images, share * max_degrees)


def rotate_by(images: jax.Array, degrees: jax.Array) -> jax.Array:
    """Every image turned counter-clockwise about its centre by its own angle, (b,).

    Bilinear, with zeros around the image: `scipy.ndimage.rotate` with order=1,
    mode="grid-constant", reshape=False.
    """
    _, h, w, _ = images.shape
    y = (jnp.arange(h) - (h - 1) / 2).reshape(h, 1)
    x = (jnp.arange(w) - (w - 1) / 2).reshape(1, w)

    def rotate_image(image, degrees):
        cos, sin = jnp.cos(jnp.deg2rad(degrees)), jnp.sin(jnp.deg2rad(degrees))
        rows = cos * y + sin * x + (h - 1) / 2  # where each pixel comes from
        columns = cos * x - sin * y + (w - 1) / 2

        def sampled(channel):
            return map_coordinates(channel, (rows, columns), order=1)

        return jax.vmap(sampled, -1, -1)(image)

    return jax.vmap(rotate_image)(images, degrees)


def flip(key: jax.Array, images: jax.Array) -> jax.Array:
    """Every image mirrored left to right, or not: half of them are."""
    b, _, w, _ = images.shape
    column = jnp.arange(w).reshape(1, 1, w, 1)
    mirrored = jax.random.bernoulli(key, shape=(b, 1, 1, 1))
    # Columns are looked up, since XLA:CPU would do all that came before it twice: it
    # fuses that into each use of the images.
    columns = jnp.where(mirrored, w - 1 - column, column)
    return jnp.take_along_axis(images, columns, 2)


def cutout(key: jax.Array, images: jax.Array, *, size: Any) -> jax.Array:
    """A square of zeros, `size` pixels a side, centred at any pixel of every image.

    At the border a part of it is outside. Source: DeVries and Taylor 2017.
    """
    b, h, w, _ = images.shape
    rows, columns = jax.random.split(key)
    top = jax.random.randint(rows, (b,), 0, h) - size // 2
    left = jax.random.randint(columns, (b,), 0, w) - size // 2
    return cover(images, top=top, left=left, size=size)


def cover(
    images: jax.Array, *, top: jax.Array, left: jax.Array, size: Any, value: Any = 0.0
) -> jax.Array:
    """A square of one value over every image, its corner at (top, left), (b,) each.

    What of it lies outside the image does nothing.
    """
    _, h, w, _ = images.shape

    def inside(n, start):
        offset = jnp.arange(n).reshape(1, n) - start.reshape(-1, 1)
        return (offset >= 0) & (offset < size)

    square = inside(h, top)[:, :, None, None] & inside(w, left)[:, None, :, None]
    return jnp.where(square, value, images)


def mixup(
    key: jax.Array, images: jax.Array, labels: jax.Array, *, alpha: Any, classes: int
) -> tuple[jax.Array, jax.Array]:
    """Every example mixed with another of the batch: share * one + (1 - share) * other.

    The share is Beta(alpha, alpha), one a batch, as in the authors' program; alpha 0
    mixes nothing. Source: Zhang et al. 2018.

    Args:
      labels: int32 (b,).

    Returns:
      the images, and labels (b, classes) whose rows add up to 1.
    """
    draw, pair = jax.random.split(key)
    alpha = jnp.asarray(alpha, jnp.float32)
    spread = jnp.where(alpha > 0, alpha, 1.0)
    share = jnp.where(alpha > 0, jax.random.beta(draw, spread, spread), 1.0)
    identity = jnp.eye(len(images))
    weights = share * identity + (1 - share) * jax.random.permutation(pair, identity)

    def mix(x):
        # A matrix product, where XLA:CPU ends its fusions; see `flip`.
        return jnp.tensordot(weights, x, 1, precision="highest")

    return mix(images), mix(jax.nn.one_hot(labels, classes))


def chain(*functions: Callable[[jax.Array, Any], Any]) -> Callable[..., Any]:
    """One (key, images) -> images after the other, each with a key of its own."""

    def chained(key, images):
        keys = jax.random.split(key, len(functions))
        for function, key in zip(functions, keys, strict=True):
            images = function(key, images)
        return images

    return chained
