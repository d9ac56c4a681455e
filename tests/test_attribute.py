"""Attributions of models whose answer is known by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from user_errors import user_error

from dljax.interpret import attribute
from dljax.models.cnn import cnn
from dljax.models.layers import Conv
from dljax.models.mlp import mlp
from dljax.models.net import net
from dljax.ops.conv import conv
from dljax.ops.pooling import average_pool

IMAGES = np.random.default_rng(0).random((3, 6, 5, 2)).astype(np.float32)
WEIGHTS = np.random.default_rng(1).normal(size=(6, 5, 2)).astype(np.float32)
close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)


def linear(images):
    return (images * WEIGHTS[None]).sum((1, 2, 3)) + 3.0


def logit(model, params, model_state, labels):
    def score(images):
        logits, _ = model.apply(params, model_state, images, key=None, train=False)
        return attribute.select_class(logits, labels)

    return score


def test_saliency_of_linear_net_is_its_weights():
    model, labels = mlp((), 4), np.array([2, 0, 3])
    params, model_state = model.init(jax.random.key(0), IMAGES)
    attribution = attribute.saliency(logit(model, params, model_state, labels), IMAGES)
    kernel = np.asarray(params["Dense_0"]["kernel"])
    close(attribution, np.stack([kernel[:, k].reshape(6, 5, 2) for k in labels]))


def test_channels_are_reduced_by_max_or_sum():
    pixel = np.array([3.0, -5.0]).reshape(1, 1, 1, 2)
    assert float(attribute.reduce_channels(pixel, reduction="max_abs")[0, 0, 0]) == 5
    assert float(attribute.reduce_channels(pixel, reduction="sum")[0, 0, 0]) == -2


def test_integrated_gradients_of_linear_and_quadratic_scores_are_exact():
    whole = attribute.integrated_gradients(linear, IMAGES, steps=1)
    close(whole, WEIGHTS[None] * IMAGES)
    base = np.full((1, 6, 5, 2), 0.3, np.float32)
    part = attribute.integrated_gradients(linear, IMAGES, baseline=base, steps=3)
    close(part, WEIGHTS[None] * (IMAGES - base))

    def product(images):  # of two pixels: each is half of the reason
        return images[:, 0, 0, 0] * images[:, 1, 1, 1]

    halves = np.zeros_like(IMAGES)
    halves[:, 0, 0, 0] = halves[:, 1, 1, 1] = product(IMAGES) / 2
    close(attribute.integrated_gradients(product, IMAGES, steps=2), halves)


def test_integrated_gradients_sum_to_the_difference_of_scores():
    model, labels = mlp((16, 16), 3, activation="tanh"), np.array([0, 1, 2])
    params, model_state = model.init(jax.random.key(0), IMAGES)
    score = logit(model, jax.tree.map(lambda w: 2 * w, params), model_state, labels)
    attribution = attribute.integrated_gradients(score, IMAGES, baseline=0.5, steps=64)
    total = attribution.sum((1, 2, 3))
    close(total, score(IMAGES) - score(jnp.full_like(IMAGES, 0.5)), rtol=1e-3)
    at_once = attribute.integrated_gradients(score, IMAGES, baseline=0.5, steps=1)
    assert np.abs(at_once.sum((1, 2, 3)) - total).max() > 0.01


def test_stride_above_patch_size_is_an_error():
    with pytest.raises(ValueError, match=r"stride 3\b"):
        attribute.occlusion(linear, IMAGES, size=2, stride=3)


@pytest.mark.parametrize(("size", "stride"), [(2, None), (3, 2), (5, 1), (1, 1)])
def test_occlusion_of_linear_score_is_sum_over_patch(size, stride):
    attribution = attribute.occlusion(
        linear, IMAGES, size=size, stride=stride, fill=0.2
    )
    drops, counts = np.zeros((3, 6, 5)), np.zeros((6, 5))
    step = stride or size
    for i in sorted({min(i, 6 - size) for i in range(0, 6, step)}):
        for j in sorted({min(j, 5 - size) for j in range(0, 5, step)}):
            at = np.s_[i : i + size, j : j + size]
            hidden = (WEIGHTS[None] * (IMAGES - 0.2))[:, *at].sum((1, 2, 3))
            drops[:, *at] += hidden[:, None, None]
            counts[at] += 1
    assert counts.min() >= 1
    close(attribution, drops / counts, rtol=1e-3, atol=1e-4)


def test_patch_larger_than_image_is_refused():
    with pytest.raises(ValueError, match=r"size 6\b.*\b5\b"):
        attribute.occlusion(linear, IMAGES, size=6)


class _OneChannel(nn.Module):
    """Logit k is 5 times the mean of channel k of its convolution."""

    @nn.compact
    def __call__(self, x, *, train: bool = False):
        return 5 * Conv(4, name="Conv_9")(x).mean((1, 2))


def test_grad_cam_is_the_only_used_channel():
    model, labels = net(_OneChannel()), np.array([3, 1, 1])
    params, model_state = model.init(jax.random.key(0), IMAGES)
    attribution = attribute.grad_cam(
        model, params, model_state, IMAGES, labels, layer="Conv_9"
    )
    features = np.asarray(conv(IMAGES, params["Conv_9"]["kernel"]))
    chosen = np.stack([f[..., k] for f, k in zip(features, labels, strict=True)])
    close(attribution, np.maximum(chosen, 0) * 5 / 30)
    assert (attribution > 0).any()


def test_grad_cam_of_cnn_equals_numpy():
    images, labels = IMAGES[:, :4, :4], np.array([1, 0, 1])
    model = cnn((3, 4), 6, 2, activation="tanh", pool="average")
    params, model_state = model.init(jax.random.key(3), images)
    bias = {k: np.asarray(p["bias"]).reshape(1, -1) for k, p in params.items()}

    def head(features):  # what comes after Conv_1
        x = average_pool(jnp.tanh(features)).reshape(len(features), -1)
        x = jnp.tanh(x @ params["Dense_0"]["kernel"] + bias["Dense_0"])
        return x @ params["Dense_1"]["kernel"] + bias["Dense_1"]

    x = average_pool(jnp.tanh(conv(images, params["Conv_0"]["kernel"])))
    features = np.asarray(conv(x, params["Conv_1"]["kernel"]))
    weights = np.zeros((3, 4))
    for n, k in np.ndindex(3, 4):  # the slope when all of a channel moves, over places
        moved = np.zeros_like(features)
        moved[n, :, :, k] = 1e-2
        slope = (head(features + moved) - head(features - moved)) / 2e-2
        weights[n, k] = slope[n, labels[n]] / 4
    by_hand = np.maximum((features * weights[:, None, None, :]).sum(-1), 0)
    attribution = attribute.grad_cam(
        model, params, model_state, images, labels, layer="Conv_1"
    )
    assert by_hand.max() > 0
    resized = jax.image.resize(by_hand, (3, 4, 4), "bilinear")
    close(attribution, resized, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "error_id", "names"),
    [
        ("Conv_7", "unknown-layer", ["Conv_0", "Conv_1", "Dense_0"]),
        ("Dense_0", "layer-without-space", ["(3, 4)"]),
    ],
)
def test_layer_without_feature_map_is_refused(layer, error_id, names):
    model = cnn((2, 2), 4, 2)
    params, model_state = model.init(jax.random.key(0), IMAGES)
    with user_error(error_id, f"layer {layer}", *names):
        attribute.grad_cam(
            model, params, model_state, IMAGES, np.array([0, 1, 0]), layer=layer
        )


@pytest.mark.long
def test_attributions_jit_and_vmap_over_nets():
    images, labels = jnp.asarray(IMAGES), jnp.array([1, 0, 1])
    model = cnn((2,), 4, 2)
    keys = jax.random.split(jax.random.key(0), 2)
    params, model_state = jax.vmap(lambda key: model.init(key, images))(keys)

    def maps(params, model_state):
        score = logit(model, params, model_state, labels)
        return (
            attribute.saliency(score, images),
            attribute.integrated_gradients(score, images, steps=3),
            attribute.occlusion(score, images, size=3, stride=2),
            attribute.grad_cam(
                model, params, model_state, images, labels, layer="Conv_0"
            ),
        )

    together = jax.jit(jax.vmap(maps))(params, model_state)
    for i in range(2):
        alone = maps(*jax.tree.map(lambda leaf, i=i: leaf[i], (params, model_state)))
        jax.tree.map(close, jax.tree.map(lambda m, i=i: m[i], together), alone)
