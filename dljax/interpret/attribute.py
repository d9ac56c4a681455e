"""Attributions: how much each pixel contributes to a score of the image.

`score` maps images (b, h, w, c) to scores (b,), for example the logit of a class. The
score of an example must not depend on the other examples, as in evaluation mode. All
functions here are pure and can be jitted and vmapped. The report draws attribution maps
(b, h, w) that `Task.sample` returns.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dljax.errors import UserError
from dljax.interpret.layers import as_function_of_layer
from dljax.types import Net

Score = Callable[[jax.Array], jax.Array]


def select_class(logits: jax.Array, labels: jax.Array) -> jax.Array:
    """Selects from logits (b, k) that of each example's class, int (b,): float (b,)."""
    return (logits * jax.nn.one_hot(labels, logits.shape[-1])).sum(-1)


def saliency(score: Score, images: jax.Array) -> jax.Array:
    """Gradient of the score with respect to the pixels: (b, h, w, c), signed.

    Source: Simonyan, Vedaldi, Zisserman 2014; their map is `reduce_channels` of it.
    """
    return jax.grad(lambda x: score(x).sum())(images)


def reduce_channels(attribution: jax.Array, *, reduction: str) -> jax.Array:
    """Reduces an attribution over its channels: (b, h, w, c) -> (b, h, w).

    Args:
      reduction: "max_abs", the custom for gradients, or "sum", for attributions that
        sum to a score.

    Raises:
      KeyError: an unknown reduction.
    """
    reductions = {"max_abs": lambda a: jnp.abs(a).max(-1), "sum": lambda a: a.sum(-1)}
    return reductions[reduction](attribution)


def integrated_gradients(
    score: Score, images: jax.Array, *, baseline: Any = 0.0, steps: int = 32
) -> jax.Array:
    """Integrated gradients: (image - baseline) times the mean gradient between both.

    The sum over all pixels is score(images) - score(baseline), up to the error of the
    midpoint rule.

    Args:
      baseline: broadcast to the images.
      steps: points of the midpoint rule.

    Returns:
      (b, h, w, c), signed.

    Source: Sundararajan, Taly, Yan 2017.
    """
    path = images - baseline

    def add(i, total):
        return total + saliency(score, baseline + (i + 0.5) / steps * path)

    return path * jax.lax.fori_loop(0, steps, add, jnp.zeros_like(images)) / steps


def grad_cam(
    net: Net,
    params: Any,
    model_state: Any,
    images: jax.Array,
    labels: jax.Array,
    *,
    layer: str,
) -> jax.Array:
    """Grad-CAM: evidence for a class in the features of a convolution, (b, h, w), >= 0.

    The features (b, h', w', k) are weighted by the spatial mean of the gradient of the
    label's logit, summed over k, clipped at 0, and resized bilinearly to the images.

    Args:
      net, params, model_state: the network, images -> logits (b, classes).
      images: (b, h, w, c).
      labels: int (b,).
      layer: path of the module whose output is the features, for example "Conv_1".

    Raises:
      UserError: there is no such layer, or its output is not (b, h', w', k).

    Source: Selvaraju et al. 2017.
    """
    features, logits_of = as_function_of_layer(
        net, params, model_state, images, layer=layer
    )
    if features.ndim != 4:
        raise UserError(
            "layer-without-space",
            f"layer {layer}: has no spatial axes, its output is {features.shape}; "
            "give the path of a convolution",
        )
    gradient = jax.grad(lambda f: select_class(logits_of(f), labels).sum())(features)
    weights = gradient.mean((1, 2), keepdims=True)
    small = jax.nn.relu((weights * features).sum(-1))
    return jax.image.resize(small, images.shape[:3], "bilinear")


def occlusion(
    score: Score,
    images: jax.Array,
    *,
    size: int,
    stride: int | None = None,
    fill: Any = 0.0,
) -> jax.Array:
    """Decrease of the score when a patch occludes a pixel: (b, h, w), signed.

    A square patch moves over the image; the last position of each row and column
    touches the border. A pixel's value is the mean decrease over all patches that cover
    it. Costs one forward pass per position.

    Args:
      size: side of the patch in pixels.
      stride: distance of positions in pixels; by default `size`.
      fill: value of occluded pixels; broadcast to the images.

    Raises:
      ValueError: the patch is larger than the images, or the stride than the patch.

    Source: Zeiler, Fergus 2014.
    """
    _, h, w, _ = images.shape
    corners = jnp.array(
        [
            (i, j)
            for i in _starts(h, size, stride or size)
            for j in _starts(w, size, stride or size)
        ]
    )
    unoccluded = score(images)

    def hide(n, totals):
        drops, counts = totals
        (top, left), rows, columns = corners[n], jnp.arange(h), jnp.arange(w)
        in_rows = (rows >= top) & (rows < top + size)
        in_columns = (columns >= left) & (columns < left + size)
        patch = in_rows[None, :, None] & in_columns[None, None, :]
        drop = unoccluded - score(jnp.where(patch[..., None], fill, images))
        return drops + drop[:, None, None] * patch, counts + patch

    start = jnp.zeros(images.shape[:3]), jnp.zeros((1, h, w))
    drops, counts = jax.lax.fori_loop(0, len(corners), hide, start)
    return drops / counts


def _starts(length: int, size: int, stride: int) -> list[int]:
    if stride > size:
        raise ValueError(f"stride {stride}: leaves gaps between patches of size {size}")
    if size > length:
        raise ValueError(
            f"size {size}: the patch is larger than the image's {length} pixels"
        )
    last = length - size
    return [*range(0, last, stride), last]
