"""Data augmentation inside the compiled program: (key, images, ...) -> images.

Images are (b, h, w, c), usually float32 in [0, 1]. Each image has its own random draws.
Pixels from outside the image are 0. Strengths may be traced, so that they may be levels
of a vmapped factor; strength 0 is the identity. All functions are differentiable with
respect to the images.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates


def shift(key: jax.Array, images: jax.Array, *, max_pixels: Any) -> jax.Array:
    """Shifts each image by integers in [-max_pixels, max_pixels] along both axes.

    The draws are uniform and independent. max_pixels=4 is "pad by 4 and crop" of He et
    al. 2016, section 4.2.
    """
    limit = jnp.asarray(max_pixels).astype(jnp.int32)
    down, right = jax.random.randint(key, (2, len(images)), -limit, limit + 1)
    return shift_by(images, down=down, right=right)


def shift_by(images: jax.Array, *, down: jax.Array, right: jax.Array) -> jax.Array:
    """Shifts image i by down[i] and right[i] pixels, int32 (b,); fills with 0."""
    _, h, w, c = images.shape
    padded = jnp.pad(images, ((0, 0), (h, h), (w, w), (0, 0)))

    def shift_image(image, down, right):
        return jax.lax.dynamic_slice(image, (h - down, w - right, 0), (h, w, c))

    return jax.vmap(shift_image)(padded, down, right)


def rotate(key: jax.Array, images: jax.Array, *, max_degrees: Any) -> jax.Array:
    """Rotates each image by a uniform angle in [-max_degrees, max_degrees]."""
    share = jax.random.uniform(key, (len(images),), minval=-1.0)
    return rotate_by(images, share * max_degrees)


def rotate_by(images: jax.Array, degrees: jax.Array) -> jax.Array:
    """Rotates image i counter-clockwise about its centre by degrees[i].

    Bilinear interpolation with zeros around the image, as `scipy.ndimage.rotate` with
    order=1, mode="grid-constant", reshape=False.

    Args:
      images: (b, h, w, c).
      degrees: (b,).
    """
    _, h, w, _ = images.shape
    y = (jnp.arange(h) - (h - 1) / 2).reshape(h, 1)
    x = (jnp.arange(w) - (w - 1) / 2).reshape(1, w)

    def rotate_image(image, degrees):
        cos, sin = jnp.cos(jnp.deg2rad(degrees)), jnp.sin(jnp.deg2rad(degrees))
        rows = cos * y + sin * x + (h - 1) / 2  # source coordinates of each pixel
        columns = cos * x - sin * y + (w - 1) / 2

        def sampled(channel):
            return map_coordinates(channel, (rows, columns), order=1)

        return jax.vmap(sampled, -1, -1)(image)

    return jax.vmap(rotate_image)(images, degrees)


def flip(key: jax.Array, images: jax.Array) -> jax.Array:
    """Mirrors each image left to right with probability 1/2."""
    b, _, w, _ = images.shape
    column = jnp.arange(w).reshape(1, 1, w, 1)
    mirrored = jax.random.bernoulli(key, shape=(b, 1, 1, 1))
    # A gather of columns rather than a `where` of two images: XLA:CPU fuses the
    # producer of `images` into each of its uses, and would compute it twice.
    columns = jnp.where(mirrored, w - 1 - column, column)
    return jnp.take_along_axis(images, columns, 2)


def cutout(key: jax.Array, images: jax.Array, *, size: Any) -> jax.Array:
    """Sets a square of each image to 0 (DeVries and Taylor 2017).

    The centre is uniform over all pixels, so that squares at the border are cut off.

    Args:
      size: the side of the square in pixels.
    """
    b, h, w, _ = images.shape
    rows, columns = jax.random.split(key)
    top = jax.random.randint(rows, (b,), 0, h) - size // 2
    left = jax.random.randint(columns, (b,), 0, w) - size // 2
    return cover(images, top=top, left=left, size=size)


def cover(
    images: jax.Array, *, top: jax.Array, left: jax.Array, size: Any, value: Any = 0.0
) -> jax.Array:
    """Fills a square of each image with one value; clips it at the border.

    Args:
      images: (b, h, w, c).
      top, left: the corner of the square of each image, int32 (b,).
      size: the side of the square in pixels.
      value: a scalar.
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
    """Mixes each example with a random partner in the batch (Zhang et al. 2018).

    x = share * x_i + (1 - share) * x_j, with one share ~ Beta(alpha, alpha) per batch,
    as in the authors' code; the partners are a permutation of the batch. alpha 0 is the
    identity.

    Args:
      images: (b, h, w, c).
      labels: int32 (b,).
      classes: the number of classes.

    Returns:
      the images (b, h, w, c), and soft labels (b, classes) whose rows sum to 1.
    """
    draw, pair = jax.random.split(key)
    alpha = jnp.asarray(alpha, jnp.float32)
    spread = jnp.where(alpha > 0, alpha, 1.0)
    share = jnp.where(alpha > 0, jax.random.beta(draw, spread, spread), 1.0)
    identity = jnp.eye(len(images))
    weights = share * identity + (1 - share) * jax.random.permutation(pair, identity)

    def mix(x):
        # A matrix product ends the fusions of XLA:CPU; see `flip`.
        return jnp.tensordot(weights, x, 1, precision="highest")

    return mix(images), mix(jax.nn.one_hot(labels, classes))


def chain(*functions: Callable[[jax.Array, Any], Any]) -> Callable[..., Any]:
    """Composes functions (key, images) -> images; each one gets its own key."""

    def chained(key, images):
        keys = jax.random.split(key, len(functions))
        for function, key in zip(functions, keys, strict=True):
            images = function(key, images)
        return images

    return chained
