"""The adding problem and the copy task: targets and trivial baselines."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax.models.recurrent import recurrent
from dljax.sources.synthetic import adding, copying
from dljax.tasks.regression import regression
from dljax.training import programs
from dljax.training.optimizers import adamw


def batch(source, rows):
    return jax.tree.map(np.asarray, source.gather(source.arrays, np.asarray(rows)))


def test_adding_sums_the_two_marked_numbers():
    examples = batch(adding(30), np.arange(500))
    values, marks = examples["x"][..., 0], examples["x"][..., 1]
    assert examples["x"].shape == (500, 30, 2)
    assert ((values >= 0) & (values < 1)).all()
    np.testing.assert_array_equal(marks.sum(1), 2)
    np.testing.assert_allclose(
        (values * marks).sum(1, keepdims=True), examples["y"], 1e-6
    )
    assert marks.mean(0).min() > 0  # marks occur at every position


def test_constant_one_has_an_error_of_a_sixth():
    y = batch(adding(10), np.arange(50_000))["y"]
    squares = (y - 1) ** 2
    assert abs(squares.mean() - 1 / 6) < 4 * squares.std() / len(y) ** 0.5


def test_copying_repeats_the_first_symbols():
    examples = batch(copying(7), np.arange(50))
    assert examples["x"].shape == examples["y"].shape == (50, 27)
    np.testing.assert_array_equal(examples["y"][:, -10:], examples["x"][:, :10])
    assert (examples["y"][:, :-10] == 0).all()
    assert set(np.unique(examples["x"][:, :10])) == set(range(1, 9))
    assert (examples["x"][:, 10:16] == 0).all()
    assert (examples["x"][:, 16:] == 9).all()


@pytest.mark.parametrize("source", [adding(8), copying(8)])
def test_examples_depend_on_index_and_splits_are_disjoint(source):
    first, other = batch(source, [5, 1]), batch(source, [1, 2, 5])
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[0], b[2]), first, other)
    parts = [set(rows) for rows in source.split(3).values()]
    assert (
        sum(map(len, parts)) == len(set.union(*parts)) == len(source.arrays["number"])
    )


def test_other_lengths_are_other_data():
    assert adding(8).fingerprint != adding(9).fingerprint
    assert adding(8).fingerprint == adding(8).fingerprint


def test_a_net_learns_to_add():
    source = adding(6, train=2_000, held_out=200)
    net = recurrent("many_to_one", "gru", 16, 1)
    task = regression(net, adamw(0.02), example=jnp.zeros((1, 6, 2)))
    program = programs.make_program(task, source, (0,), strategy="map", batch_size=50)
    state = program.init()
    state, _ = program.train_steps(state, program.shuffle(state, 0), 0, 400)
    total, count = program.evaluate(state, "test")["mse"]
    assert count[0] == 200
    assert total[0] / count[0] < 0.02
