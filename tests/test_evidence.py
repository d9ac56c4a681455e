"""Metrics of attributions, against values by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import table
from scipy import stats as scipy_stats

from dljax.interpret import attribute, evidence
from dljax.models.cnn import cnn
from dljax.tasks.classification import classification
from dljax.training import programs
from dljax.training.optimizers import adamw

RNG = np.random.default_rng(0)
IMAGES = RNG.random((5, 6, 8, 2)).astype(np.float32)
close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)


def test_patterns_have_equal_mass():
    marks = evidence.class_patterns(10, 4)
    assert len({mark.tobytes() for mark in marks}) == 10
    assert set(marks.sum((1, 2))) == {9.0}
    assert (marks[:, 0, 0] == 1).all()
    assert (marks[:, -1, -1] == 1).all()
    assert len(evidence.class_patterns(2, 2)) == 2
    with pytest.raises(ValueError, match="2x2.*3 classes"):
        evidence.class_patterns(3, 2)


def test_planting_pastes_only_the_labels_pattern():
    planted = jax.jit(lambda k: evidence.plant_patterns(IMAGES, k, classes=3, size=3))(
        jax.random.key(0)
    )
    assert planted["image"].shape == IMAGES.shape
    marks = evidence.class_patterns(3, 3)
    for before, image, label, mask in zip(
        IMAGES,
        planted["image"],
        planted["label"],
        np.asarray(planted["mask"]),
        strict=True,
    ):
        assert mask.sum() == 9
        inside = np.asarray(image)[mask == 1].reshape(3, 3, 2)
        np.testing.assert_array_equal(inside[..., 0], marks[int(label)])
        np.testing.assert_array_equal(inside[..., 1], marks[int(label)])
        np.testing.assert_array_equal(np.asarray(image)[mask == 0], before[mask == 0])
    with pytest.raises(ValueError, match="size 7.*6x8"):
        evidence.plant_patterns(IMAGES, jax.random.key(0), classes=3, size=7)


def test_positions_and_labels_are_uniform_and_independent():
    planted = evidence.plant_patterns(
        jnp.zeros((6000, 4, 5, 1)), jax.random.key(1), classes=2, size=2
    )
    corners = np.asarray(planted["mask"]).reshape(6000, -1).argmax(1)
    counts = np.zeros((2, 20))
    np.add.at(counts, (np.asarray(planted["label"]), corners), 1)
    nonzero = counts[:, counts.sum(0) > 0]
    assert nonzero.shape == (2, 3 * 4)
    assert scipy_stats.chisquare(nonzero.ravel()).pvalue > 1e-3


def maps(*pictures):
    return jnp.asarray(pictures, jnp.float32)


def test_corners_are_uniform_and_hold_the_pattern():
    images = jnp.zeros((4000, 9, 12, 1))
    planted = evidence.plant_patterns(
        images, jax.random.key(4), classes=3, size=4, corners=True
    )
    mask = np.asarray(planted["mask"])
    assert (mask.sum((1, 2)) == 16).all()
    counts = [
        mask[:, row, column].sum() for row in (0, 8) for column in (0, 11)
    ]  # each pattern covers one corner
    assert sum(counts) == 4000
    assert scipy_stats.chisquare(counts).pvalue > 0.01


def test_hits_and_mass():
    mask = maps(*[[[1, 1], [0, 0]]] * 5)
    attribution = maps(
        [[0, 3], [1, 0]],  # inside
        [[0, -3], [1, 0]],  # the largest is outside, most of the mass inside
        [[2, 0], [2, 0]],  # one of two maxima
        [[0, 0], [0, 0]],  # flat
        [[0, 0], [0, 5]],
    )
    close(evidence.pointing_game(attribution, mask), [1, 0, 0.5, 0.5, 0])
    close(evidence.mass_in_mask(attribution, mask), [0.75, 0.75, 0.5, 0.5, 0])


def linear(images, places=((1, 2), (4, 7), (0, 0))):
    """A score that reads three pixels: 4, 2 and 1 times the sum of their channels."""
    return sum(
        weight * images[:, i, j].sum(-1)
        for weight, (i, j) in zip((4.0, 2.0, 1.0), places, strict=True)
    )


def test_saliency_of_linear_score_hits_its_support():
    mask = jnp.zeros((5, 6, 8)).at[:, 1, 2].set(1)
    gradient = attribute.saliency(linear, IMAGES)
    attribution = attribute.reduce_channels(gradient, reduction="max_abs")
    close(evidence.pointing_game(attribution, mask), np.ones(5))
    close(evidence.mass_in_mask(attribution, mask), np.full(5, 4 / 7))


def test_curves_of_linear_score_are_partial_sums():
    order = RNG.random((5, 6, 8)).astype(np.float32)
    removed = evidence.deletion(linear, IMAGES, order, fill=0.25, steps=7)
    put_in = evidence.insertion(linear, IMAGES, order, fill=0.25, steps=7)
    assert removed.shape == put_in.shape == (5, 8)
    for n in range(5):
        ranked = np.argsort(-order[n].ravel())
        for k in range(8):
            image = IMAGES[n].reshape(48, 2).copy()
            image[ranked[: round(k / 7 * 48)]] = 0.25
            left = linear(image.reshape(1, 6, 8, 2))[0]
            close(removed[n, k], left, rtol=1e-3)
    both = linear(IMAGES) + linear(np.full_like(IMAGES, 0.25))
    close(removed + put_in, np.tile(both[:, None], 8))
    halves = np.asarray(removed)
    close(
        evidence.area_under_curve(removed),
        np.trapezoid(halves, np.linspace(0, 1, 8), axis=1),
    )


def test_correct_order_beats_random_order():
    parts = attribute.integrated_gradients(linear, IMAGES, steps=1)
    right = attribute.reduce_channels(parts, reduction="sum")
    chance = jax.random.uniform(jax.random.key(0), right.shape)
    for curve, sign in ((evidence.deletion, 1), (evidence.insertion, -1)):
        areas = [
            evidence.area_under_curve(curve(linear, IMAGES, m, steps=48))
            for m in (right, chance)
        ]
        assert (sign * areas[0] < sign * areas[1]).all()


def test_rank_correlation_equals_spearman():
    a = RNG.normal(size=(4, 5, 6)).astype(np.float32)
    b = (a + RNG.normal(size=a.shape)).astype(np.float32)
    b[1] = np.round(b[1])  # ties
    a[1] = np.round(a[1])
    b[2] = -a[2]
    a[3] = 1.0  # flat
    actual = evidence.rank_correlation(a, b)
    for n in range(3):
        known = scipy_stats.spearmanr(a[n].ravel(), b[n].ravel()).statistic
        close(actual[n], known)
    assert float(actual[3]) == 0


def test_randomised_kernels_permute_entries():
    model = cnn((2, 2), 4, 2)
    params, _ = model.init(jax.random.key(0), IMAGES)
    params = jax.tree.map(lambda leaf: leaf + 1.0, params)
    drawn = evidence.randomize_kernels(params, jax.random.key(1))
    for name, layer in params.items():
        np.testing.assert_array_equal(drawn[name]["bias"], layer["bias"])
        before, after = (np.ravel(p[name]["kernel"]) for p in (params, drawn))
        assert (before != after).any()
        np.testing.assert_array_equal(np.sort(before), np.sort(after))


def test_attribution_of_trained_net_finds_planted_evidence():
    noise = jax.random.uniform(jax.random.key(0), (140, 6, 6, 1))
    planted = evidence.plant_patterns(noise * 0.3, jax.random.key(1), classes=2, size=3)
    model = cnn((8,), 8, 2, pool="none")
    task = classification(model, adamw(0.01), example=noise[:1])

    def final_metrics(params, stats, batch, key):
        def score(images):
            logits, _ = model.apply(params["net"], stats, images, key=None, train=False)
            return attribute.select_class(jax.nn.softmax(logits), batch["label"])

        drop = attribute.occlusion(score, batch["image"], size=2, stride=1, fill=0.15)
        chance = jax.random.uniform(key, drop.shape)
        values = {
            "hit": evidence.pointing_game(drop, batch["mask"]),
            "chance": evidence.pointing_game(chance, batch["mask"]),
        }
        weight = batch["weight"]
        return {k: ((v * weight).sum(), weight.sum()) for k, v in values.items()}

    source = table({k: np.asarray(v) for k, v in planted.items()})
    program = programs.make_program(
        task._replace(final_metrics=final_metrics),
        source,
        (0, 1),
        strategy="map",
        batch_size=16,
    )
    state = program.init()
    state, _ = program.train_steps(state, program.shuffle(state, 0), 0, 240)
    metrics = program.evaluate(state, "test", final_metrics=True)
    shares = {k: np.asarray(total / count) for k, (total, count) in metrics.items()}
    assert (shares["hit"] > shares["chance"] + 0.3).all(), shares
