"""Image corruptions by severity.

Each function maps (key, images, severity) to images, (b, h, w, c) in [0, 1]. Severity 0
changes nothing; the severity may be traced. The kinds are among those of Hendrycks and
Dietterich 2019 and of Mu and Gilmer 2019 (MNIST-C).
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dljax.sources.augment import cover, rotate_by, shift_by


def shift(key: jax.Array, images: jax.Array, severity: Any) -> jax.Array:
    """Shifts each image by `severity` pixels in a random direction.

    Shifts along each axis are rounded to whole pixels; vacated pixels are 0.
    """
    angle = 2 * jnp.pi * jax.random.uniform(key, (len(images),))
    down = jnp.round(severity * jnp.sin(angle)).astype(jnp.int32)
    right = jnp.round(severity * jnp.cos(angle)).astype(jnp.int32)
    return shift_by(images, down=down, right=right)


def rotation(key: jax.Array, images: jax.Array, severity: Any) -> jax.Array:
    """Rotates each image by `severity` degrees in a random direction."""
    side = jax.random.rademacher(key, (len(images),), images.dtype)
    return rotate_by(images, severity * side)


def noise(key: jax.Array, images: jax.Array, severity: Any) -> jax.Array:
    """Adds Gaussian noise of standard deviation `severity`, then clips to [0, 1]."""
    draw = jax.random.normal(key, images.shape, images.dtype)
    return jnp.clip(images + severity * draw, 0, 1)


def blur(key: jax.Array, images: jax.Array, severity: Any) -> jax.Array:
    """Applies a Gaussian filter of standard deviation `severity` pixels.

    Borders are mirrored.

    The filter extends over the whole image: `scipy.ndimage.gaussian_filter` with a
    large `truncate`.
    """
    del key
    _, h, w, _ = images.shape
    rows, columns = _gaussian(h, severity), _gaussian(w, severity)
    return jnp.einsum("ih,bhwc,jw->bijc", rows, images, columns, precision="highest")


def _gaussian(n, sigma):
    """The filter along an axis as a matrix (n, n), for any sigma."""
    distance = jnp.arange(-n, 2 * n).reshape(1, -1) - jnp.arange(n).reshape(-1, 1)
    weights = jax.nn.softmax(-0.5 * (distance / jnp.maximum(sigma, 1e-3)) ** 2)
    left, inside, right = jnp.split(weights, 3, 1)
    return left[:, ::-1] + inside + right[:, ::-1]


def contrast(key: jax.Array, images: jax.Array, severity: Any) -> jax.Array:
    """Interpolates each image towards its channel means, reached at severity 1."""
    del key
    return images + severity * (images.mean((1, 2), keepdims=True) - images)


def occlusion(
    key: jax.Array, images: jax.Array, severity: Any, *, value: Any = 0.5
) -> jax.Array:
    """Covers a square of `severity` pixels per side at a random place of each image.

    Args:
      value: the colour of the square; grey by default.

    Source: Zeiler and Fergus 2014, section 4.2.
    """
    b, h, w, _ = images.shape
    size = jnp.round(severity).astype(jnp.int32)
    rows, columns = jax.random.split(key)
    top = jax.random.randint(rows, (b,), 0, jnp.maximum(h - size, 0) + 1)
    left = jax.random.randint(columns, (b,), 0, jnp.maximum(w - size, 0) + 1)
    return cover(images, top=top, left=left, size=size, value=value)


CORRUPTIONS: dict[str, Callable[..., jax.Array]] = {
    "shift": shift,
    "rotation": rotation,
    "noise": noise,
    "blur": blur,
    "contrast": contrast,
    "occlusion": occlusion,
}

# Five per corruption; for those in LENGTHS as a share of the image's side.
SEVERITIES: dict[str, tuple[float, ...]] = {
    "shift": (0.03, 0.09, 0.17, 0.26, 0.34),
    "rotation": (10.0, 20.0, 30.0, 45.0, 60.0),
    "noise": (0.1, 0.2, 0.3, 0.5, 0.8),
    "blur": (0.04, 0.06, 0.09, 0.12, 0.16),
    "contrast": (0.3, 0.5, 0.7, 0.85, 0.95),
    "occlusion": (0.16, 0.32, 0.41, 0.5, 0.66),
}
LENGTHS = ("shift", "blur", "occlusion")


def severities(name: str, side: int) -> tuple[float, ...]:
    """Five increasing severities of a corruption.

    Severities in whole pixels are rounded up; all five differ if `side` >= 12.

    Args:
      name: a key of `CORRUPTIONS`.
      side: height of the images in pixels.

    Raises:
      KeyError: an unknown corruption.
    """
    shares = SEVERITIES[name]
    if name not in LENGTHS:
        return shares
    pixels = tuple(side * share for share in shares)
    return pixels if name == "blur" else tuple(float(math.ceil(p)) for p in pixels)
