"""Metrics of attributions, given images whose evidence has a known position.

Attributions are maps (b, h, w). Each metric is one number per example, (b,), so that a
task can weight examples.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dljax.interpret.attribute import Score
from dljax.interpret.prune import map_kernels


def class_patterns(classes: int, size: int) -> np.ndarray:
    """Draws one binary pattern per class: float32 (classes, size, size).

    All patterns have the same number of ones: in two opposite corners, and at random in
    between. Classes therefore differ only in the arrangement of the ones.

    Raises:
      ValueError: fewer than `classes` patterns of this size exist.
    """
    free = size * size - 2
    if size < 2 or math.comb(free, free // 2) < classes:
        raise ValueError(f"size {size}x{size}: too few patterns for {classes} classes")
    rng = np.random.default_rng(0)
    patterns: dict[bytes, np.ndarray] = {}
    while len(patterns) < classes:
        mark = np.zeros(size * size, np.float32)
        mark[[0, -1]] = 1
        mark[1 + rng.permutation(free)[: free // 2]] = 1
        patterns.setdefault(mark.tobytes(), mark.reshape(size, size))
    return np.stack(list(patterns.values()))


def plant_patterns(
    images: jax.Array,
    key: jax.Array,
    *,
    classes: int,
    size: int = 4,
    corners: bool = False,
) -> dict[str, jax.Array]:
    """Pastes a pattern, which determines the label, at a random position per image.

    Labels are drawn independently of the images, so that there is no other evidence.

    Args:
      images: (b, h, w, c) in [0, 1].
      key: for labels and positions.
      classes: number of classes.
      size: side of a pattern in pixels.
      corners: restricts positions to the four corners, where nets without convolutions
        can learn them too.

    Returns:
      a batch: "image" (b, h, w, c), "label" int32 (b,), and "mask" (b, h, w), 1 at the
      pattern, else 0.

    Raises:
      ValueError: the patterns are larger than the images, or there are too few patterns
        of this size.
    """
    b, h, w, c = images.shape
    if size > min(h, w):
        raise ValueError(
            f"size {size}: the pattern is larger than images of {h}x{w} pixels"
        )
    patterns = jnp.asarray(class_patterns(classes, size), images.dtype)
    label_key, top_key, left_key = jax.random.split(key, 3)
    label = jax.random.randint(label_key, (b,), 0, classes)
    # With `corners` only the first and the last position per axis.
    rows, row_step = (2, h - size) if corners else (h - size + 1, 1)
    columns, column_step = (2, w - size) if corners else (w - size + 1, 1)
    top = row_step * jax.random.randint(top_key, (b,), 0, rows)
    left = column_step * jax.random.randint(left_key, (b,), 0, columns)

    def paste(image, pattern, top, left):
        mark = jnp.repeat(pattern[..., None], c, -1)
        image = jax.lax.dynamic_update_slice(image, mark, (top, left, 0))
        ones = jnp.ones((size, size), images.dtype)
        mask = jax.lax.dynamic_update_slice(jnp.zeros((h, w)), ones, (top, left))
        return image, mask

    image, mask = jax.vmap(paste)(images, patterns[label], top, left)
    return {"image": image, "label": label, "mask": mask}


def pointing_game(attribution: jax.Array, mask: jax.Array) -> jax.Array:
    """The pointing game: 1 where the map's maximum lies in the mask, else 0, (b,).

    With several maxima, the share of them in the mask, so that a flat map scores as
    chance.

    Source: Zhang et al. 2016.
    """
    is_max = attribution == attribution.max((1, 2), keepdims=True)
    return (is_max * mask).sum((1, 2)) / is_max.sum((1, 2))


def mass_in_mask(attribution: jax.Array, mask: jax.Array) -> jax.Array:
    """The share of the absolute attribution that lies in the mask, (b,), 0 to 1.

    For a map of zeros, the mask's share of the image.
    """
    size = jnp.abs(attribution)
    size = jnp.where(size.sum((1, 2), keepdims=True) == 0, 1.0, size)
    return (size * mask).sum((1, 2)) / size.sum((1, 2))


def deletion(
    score: Score,
    images: jax.Array,
    attribution: jax.Array,
    *,
    fill: Any = 0.0,
    steps: int = 16,
) -> jax.Array:
    """Scores while pixels are deleted in the order of decreasing attribution.

    After step k, round(k / steps * h * w) pixels are `fill`; among equal attributions
    the first pixel is deleted first. The lower the curve, the better the map; see
    `area_under_curve`.

    Args:
      score: images -> (b,), usually the probability of a class.
      images: (b, h, w, c).
      attribution: (b, h, w).
      fill: broadcast to the images, for example a number or blurred images.
      steps: number of steps.

    Returns:
      the curve (b, steps + 1).

    Source: Petsiuk, Das, Saenko 2018.
    """
    return _curve(score, images, fill, attribution, steps)


def insertion(
    score: Score,
    images: jax.Array,
    attribution: jax.Array,
    *,
    fill: Any = 0.0,
    steps: int = 16,
) -> jax.Array:
    """As `deletion`, but inserts pixels of the images into `fill`; higher is better."""
    return _curve(score, fill, images, attribution, steps)


def _curve(score, start, end, attribution, steps):
    b, h, w = attribution.shape
    order = jnp.argsort(-attribution.reshape(b, -1), -1)
    rank = jnp.argsort(order, -1).reshape(b, h, w, 1)
    counts = jnp.round(jnp.arange(steps + 1) * (h * w / steps))
    values = jax.lax.map(lambda n: score(jnp.where(rank < n, end, start)), counts)
    return values.T


def area_under_curve(curve: jax.Array) -> jax.Array:
    """The area under curves (b, steps + 1) on [0, 1] by the trapezoidal rule, (b,)."""
    return ((curve[:, 1:] + curve[:, :-1]) / 2).mean(1)


def randomize_kernels(params: Any, key: jax.Array) -> Any:
    """Shuffles the entries of each kernel.

    An attribution that explains learned features must then change; compare with
    `rank_correlation`. To shuffle some layers only: `params | randomize_kernels(some,
    key)`.

    Source: the parameter randomization test of Adebayo et al. 2018.
    """
    return map_kernels(
        lambda w, key: jax.random.permutation(key, w.reshape(-1)).reshape(w.shape),
        params,
        key,
    )


def rank_correlation(a: jax.Array, b: jax.Array) -> jax.Array:
    """Spearman's rank correlation of two maps per example, over all pixels: (b,).

    Equal values share their mean rank. 0 if a map is flat.
    """
    x, y = (_ranks(m) for m in (a, b))
    scale = jnp.sqrt((x**2).sum(1) * (y**2).sum(1))
    return (x * y).sum(1) / jnp.where(scale == 0, 1.0, scale)


def _ranks(maps):
    """Ranks of each example's values, centred, from -1/2 to 1/2."""

    def rank(values):
        ordered = jnp.sort(values)
        below = jnp.searchsorted(ordered, values, side="left")
        upto = jnp.searchsorted(ordered, values, side="right")
        return (below + upto) / (2 * len(values)) - 0.5

    return jax.vmap(rank)(maps.reshape(len(maps), -1))
