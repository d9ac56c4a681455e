"""Mixup: shares, partners, the mixed loss, and traced strengths."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import others_long
from families import table
from scipy import stats

from dljax.models.mlp import mlp
from dljax.sources import augment
from dljax.tasks.classification import classification
from dljax.training import programs, update
from dljax.training.optimizers import sgd

KEY = jax.random.key(7)
BATCH = {
    "image": np.random.default_rng(0).random((6, 3, 4, 1)).astype(np.float32),
    "label": np.array([0, 1, 2, 3, 1, 0]),
}


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_mixup_mixes_images_and_labels_alike_by_a_beta_share():
    n = 6
    one_hot = jnp.eye(n).reshape(n, 2, 3, 1)

    def mix(key):
        return augment.mixup(key, one_hot, jnp.arange(n), alpha=0.4, classes=n)

    keys = jax.random.split(KEY, 2000)
    images, labels = (np.asarray(y) for y in jax.vmap(mix)(keys))
    close(images.reshape(labels.shape), labels)
    close(labels.sum(2), np.ones((2000, n)))
    close(labels.sum(1), np.ones((2000, n)))  # every image is the partner once
    own = np.diagonal(labels, axis1=1, axis2=2)
    share = own.min(1)  # an image that is its own partner has 1
    share = share[share < 1]
    assert len(share) > 1900
    assert stats.kstest(share, stats.beta(0.4, 0.4).cdf).pvalue > 0.01
    partner = labels[:, 0] > 0
    partner[:, 0] = own[:, 0] == 1
    assert stats.chisquare(partner.sum(0), partner.sum() * np.full(n, 1 / n)).pvalue > (
        0.01
    )


def task(**options):
    net = mlp((8,), 4)
    return classification(net, sgd(0.1), example=jnp.zeros((1, 3, 4, 1)), **options)


def test_a_task_that_mixes_costs_the_mixed_loss():
    """share * loss(one label) + (1 - share) * loss(the other's), after augmentation."""
    calls = {}

    def double(key, images):
        calls["augment"] = jax.random.key_data(key)
        return 2 * images

    def mix(key, images, labels):
        calls["mix"] = jax.random.key_data(key)
        calls["images"], calls["labels"] = augment.mixup(
            key, images, labels, alpha=1.0, classes=4
        )
        return calls["images"], calls["labels"]

    mixing, plain = task(augment=double, mix=mix), task()
    params, state = plain.init(KEY)
    loss, _ = mixing.turns[0].loss(params, state, BATCH, KEY, 0)
    assert (calls["augment"] != calls["mix"]).any()
    share = np.asarray(calls["labels"])
    x, y = calls["images"], 0.0
    for label in range(4):
        batch = {"image": x, "label": jnp.full(6, label), "weight": share[:, label]}
        y += plain.metrics(params, state, batch, None)["loss"][0]
    assert 0.05 < share.max(1).min() < 0.95
    close(loss, y / 6)
    metrics = [
        t.metrics(params, state, {**BATCH, "weight": jnp.ones(6)}, None)
        for t in (mixing, plain)
    ]
    jax.tree.map(np.testing.assert_array_equal, *metrics)


def test_a_task_that_mixes_learns():
    mix = functools.partial(augment.mixup, alpha=0.2, classes=4)
    mixing = task(mix=mix, augment=functools.partial(augment.shift, max_pixels=0))
    state = update.init(mixing, KEY)
    step = jax.jit(lambda state: update.update(mixing, state, BATCH))
    losses = []
    for _ in range(150):
        state, logged = step(state)
        losses.append(float(logged["loss"][0]))
    assert step._cache_size() == 1
    assert np.mean(losses[-20:]) < 0.7 * np.mean(losses[:20])


@pytest.mark.parametrize(
    "strategy",
    others_long(("vmap", "map", "cores"), ("vmap",)),
)
def test_strengths_are_an_array_axis_of_a_program(strategy):
    rng = np.random.default_rng(0)
    images = rng.random((140, 3, 4, 1)).astype(np.float32)
    source = table({"image": images, "label": rng.integers(0, 4, 140)})
    strengths = {"max_pixels": [0, 1, 2], "alpha": [0.0, 0.4, 1.0]}

    def make(numbers):
        return task(
            augment=functools.partial(augment.shift, max_pixels=numbers["max_pixels"]),
            mix=functools.partial(augment.mixup, alpha=numbers["alpha"], classes=4),
        )

    def train(task, runs, strategy, numbers=None):
        program = programs.make_program(
            task, source, [5] * runs, strategy=strategy, batch_size=16, numbers=numbers
        )
        state = program.init()
        state, _ = program.train_steps(state, program.shuffle(state, 0), 0, 5)
        return program.to_host(state).params

    together = train(make, 3, strategy, strengths)
    alone = [
        train(make(dict(zip(strengths, pair, strict=True))), 1, "map")
        for pair in zip(*strengths.values(), strict=True)
    ]
    stacked = jax.tree.map(lambda *leaves: np.concatenate(leaves), *alone)
    jax.tree.map(close, together, stacked)
    kernels = stacked["net"]["Dense_0"]["kernel"]
    assert np.abs(kernels[0] - kernels[1]).max() > 1e-3
    jax.tree.map(close, alone[0], train(task(), 1, "map"))
