"""Networks for clips: their dependence on the order of frames."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax.models import video

CLIPS = np.random.default_rng(0).normal(size=(5, 7, 8, 8, 1)).astype(np.float32)


def init_and_apply(net):
    params, model_state = jax.jit(net.init)(jax.random.key(0), CLIPS[:1])

    def apply(x):
        return net.apply(params, model_state, x, key=None, train=False)[0]

    return jax.jit(apply)


@pytest.mark.parametrize("frames", [2, 5, 7])
def test_mean_fusion_ignores_the_order_of_frames(frames):
    apply = init_and_apply(video.cnn_frames((3, 4), 6, 3))
    clips = CLIPS[:, :frames]
    y = apply(clips)
    close = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-6)
    close(y, apply(clips[:, ::-1]))
    shuffled = np.random.default_rng(1).permutation(frames)
    close(y, apply(clips[:, shuffled]))


def test_mean_fusion_is_the_mean_of_single_frames_with_gradients():
    apply = init_and_apply(video.cnn_frames((3, 4), 6, 3))
    singles = jnp.stack([apply(CLIPS[:, i : i + 1]) for i in range(7)])
    np.testing.assert_allclose(apply(CLIPS), singles.mean(0), rtol=1e-4, atol=1e-5)
    gradient = jax.grad(lambda x: apply(x)[:, 0].sum())(CLIPS)
    alone = [
        jax.grad(lambda x: apply(x)[:, 0].sum())(CLIPS[:, i : i + 1]) / 7
        for i in range(7)
    ]
    expected = np.concatenate(alone, 1)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)
    assert (np.abs(gradient).max((2, 3, 4)) > 0).all()


@pytest.mark.parametrize(
    "net",
    [
        video.cnn_3d((3, 4), 6, 3),
        video.cnn_frames((3, 4), 6, 3, fusion="concatenate"),
    ],
)
def test_other_nets_depend_on_the_order_of_frames(net):
    apply = init_and_apply(net)
    assert np.abs(apply(CLIPS) - apply(CLIPS[:, ::-1])).max() > 1e-3


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 9, 5), (16, 8, 8)])
def test_3d_cnn_takes_any_number_and_size_of_frames(shape):
    apply = init_and_apply(video.cnn_3d((3, 4), 6, 3))
    y = apply(jnp.ones((2, *shape, 1)))
    assert y.shape == (2, 3)
    assert jnp.isfinite(y).all()


def test_unknown_fusion_is_refused():
    with pytest.raises(ValueError, match="sum"):
        video.cnn_frames((3,), 4, 2, fusion="sum")
