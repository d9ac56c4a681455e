"""The perceptron's rule for one neuron, and pairs of digits for logic gates."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import table

from dljax.config import RunConfig
from dljax.models.mlp import mlp
from dljax.sources.loading import load_source
from dljax.sources.logic_gates import GATES, digit_pairs
from dljax.tasks.threshold import threshold
from dljax.training import programs, update
from dljax.training.optimizers import sgd

CORNERS = np.array([*itertools.product((0.0, 1.0), repeat=2)], np.float32)


def neuron():
    return threshold(mlp((), 1), sgd(1.0), example=jnp.zeros((1, 2)))


def test_update_is_the_perceptron_rule():
    task = neuron()
    state = update.init(task, jax.random.key(0))
    w, b = (np.asarray(state.params["net"]["Dense_0"][k]) for k in ("kernel", "bias"))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 2)).astype(np.float32)
    label = np.array([0, 1, 1, 0, 1, 0])
    for row, bit in zip(x, label, strict=True):
        sign = 2 * bit - 1
        if sign * (row @ w[:, 0] + b[0]) <= 0:  # a mistake
            w, b = w + sign * row[:, None], b + sign
        batch = {"image": jnp.asarray(row[None]), "label": jnp.asarray([bit])}
        state, _ = update.update(task, state, batch)
        neuron_params = state.params["net"]["Dense_0"]
        np.testing.assert_allclose(neuron_params["kernel"], w, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(neuron_params["bias"], b, rtol=1e-5, atol=1e-6)


def test_an_output_at_the_threshold_does_not_fire_and_learns():
    task = neuron()
    state = update.init(task, jax.random.key(0))
    zero = jax.tree.map(jnp.zeros_like, state.params)
    batch = {"image": jnp.ones((1, 2)), "label": jnp.ones(1, jnp.int32)}
    after, _ = update.update(task, state._replace(params=zero), batch)
    np.testing.assert_array_equal(after.params["net"]["Dense_0"]["bias"], [1.0])
    measured = task.metrics(zero, {}, batch | {"weight": jnp.ones(1)}, None)
    assert float(measured["accuracy"][0]) == 0


@pytest.mark.parametrize(("gate", "rows"), [("and", 4), ("or", 4), ("xor", 3)])
def test_one_neuron_learns_a_truth_table_or_three_rows_of_it(gate, rows):
    label = GATES[gate](*CORNERS.T.astype(int)).astype(np.int32)
    source = table({"image": CORNERS, "label": label}, train=4, valid=0)
    whole = {"train": np.arange(4), "valid": np.arange(4), "test": np.arange(4)}
    source = source._replace(split=lambda seed: whole)
    program = programs.make_program(
        neuron(), source, range(20), strategy="vmap", batch_size=1
    )
    state, best = program.init(), 0
    for _ in range(40):
        state, _ = program.train_steps(state, program.shuffle(state, 0), 0, 4)
        right = np.asarray(program.evaluate(state, "test")["accuracy"][0])
        best = max(best, right.max())
        assert right.max() <= rows
    assert best == rows
    if rows == 4:
        assert (right == 4).all(), "the rule ends where a plane divides (Novikoff)"


@pytest.mark.parametrize("gate", list(GATES))
def test_pairs_share_no_image_between_parts(gate, data_dir):
    digits = load_source(RunConfig(data_dir=data_dir))
    source = digit_pairs(digits, gate, pairs_per_row=10)
    images, labels = source.arrays["image"], source.arrays["label"]
    assert images.shape == (200, 8, 16, 1)
    known = {
        image.tobytes(): int(bit)
        for image, bit in zip(
            digits.arrays["image"], digits.arrays["label"], strict=True
        )
    }
    for image, label in zip(images, labels, strict=True):
        bits = [
            known[np.ascontiguousarray(half).tobytes()]
            for half in (image[:, :8], image[:, 8:])
        ]
        assert label == GATES[gate](*bits)
    for seed in range(5):
        parts = source.split(seed)
        assert sum(map(len, parts.values())) == 200
        halves = {
            name: {
                np.ascontiguousarray(half).tobytes()
                for image in images[rows]
                for half in (image[:, :8], image[:, 8:])
            }
            for name, rows in parts.items()
        }
        for a, b in itertools.combinations(halves, 2):
            assert not halves[a] & halves[b]
