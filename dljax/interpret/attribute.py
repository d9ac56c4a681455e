"""Attributions: how much each pixel contributes to one score an example.

`score` is a function images (b, h, w, c) -> (b,), as the logit of a class; it has to
treat every example by itself, as networks do in evaluation. All of these are pure: they
jit and vmap. Maps (b, h, w) that `Task.sample` returns are drawn in the report.
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
    """Each example's logit (b, k) of its class int (b,): float (b,)."""
    return (logits * jax.nn.one_hot(labels, logits.shape[-1])).sum(-1)


def saliency(score: Score, images: jax.Array) -> jax.Array:
    """The gradient of the score by every pixel: (b, h, w, c), signed.

    Source: Simonyan, Vedaldi, Zisserman 2014; `reduce_channels` makes their map of it.
    """
    return jax.grad(lambda x: score(x).sum())(images)


def reduce_channels(attribution: jax.Array, *, reduction: str) -> jax.Array:
    """(b, h, w, c) -> (b, h, w), by "max_abs" or "sum" over channels.

    The first is customary for gradients, the second for attributions that add up.

    Raises:
      KeyError: another reduction.
    """
    reductions = {"max_abs": lambda a: jnp.abs(a).max(-1), "sum": lambda a: a.sum(-1)}
    return reductions[reduction](attribution)


def integrated_gradients(
    score: Score, images: jax.Array, *, baseline: Any = 0.0, steps: int = 32
) -> jax.Array:
    """The mean gradient on the path from the baseline, times the path: (b, h, w, c).

    Over all pixels they sum to score(images) - score(baseline), up to the error of the
    midpoint rule with `steps` points. `baseline` is a number or broadcasts, as an image
    (1, h, w, c). Source: Sundararajan, Taly, Yan 2017.
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
    """Evidence for a class in a convolution's features: (b, h, w), not negative.

    The features (b, h', w', k) are weighted by the spatial mean of the gradient of
    the label's logit, summed, cut off at 0 and resized to the images (bilinear).

    Args:
      net: images -> logits (b, classes).
      layer: the path of the module whose output the features are, as "Conv_1".

    Source: Selvaraju et al. 2017.

    Raises:
      UserError: there is no such layer, or its output is not (b, h', w', k).
    """
    features, logits_of = as_function_of_layer(
        net, params, model_state, images, layer=layer
    )
    if features.ndim != 4:
        raise UserError(
            "layer-without-space",
            f"layer {layer}: has no spatial axes, its output is {features.shape}",
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
    """How much the score drops when a patch hides a pixel: (b, h, w), signed.

    A square patch of `size` pixels moves by `stride` (default: `size`), its last place
    against the border; a pixel gets the mean drop over all patches that hide it. `fill`
    is what hides: a number, or broadcasts. Costs one pass a place.

    Source: Zeiler, Fergus 2014.

    Raises:
      ValueError: the patch is larger than the images, or the stride than the patch.
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
        raise ValueError(f"a stride of {stride} leaves gaps between patches of {size}")
    if size > length:
        raise ValueError(f"a patch of {size} pixels is larger than {length} pixels")
    last = length - size
    return [*range(0, last, stride), last]
