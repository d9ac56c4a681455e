"""The comparison behind `make golden` notices what differs, and maps renamed names."""

import json

import jax
import jax.numpy as jnp
import numpy as np
from compare_commits import differences, fold_old_module_names, renamed, rows
from flax import linen as nn
from flax.core.scope import LazyRng


def study(directory, loss, *, metric="loss", variant="cnn"):
    """A study's directory with one trial of one logged row."""
    trial = directory / "trial"
    trial.mkdir(parents=True)
    config = {"variant": variant, "runs": [[variant, 3, {}]]}
    (trial / "config.json").write_text(json.dumps(config))
    row = {"step": 6, "seed": 3, "variant": variant, "split": "test", metric: loss}
    (trial / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    return directory


def test_equal_rows_have_no_differences(tmp_path):
    old, new = study(tmp_path / "old", 0.5), study(tmp_path / "new", 0.5)
    assert differences(rows(old, (), ()), rows(new, (), ()), "row") == []


def test_another_value_is_a_difference(tmp_path):
    old, new = study(tmp_path / "old", 0.5), study(tmp_path / "new", 0.25)
    (line,) = differences(rows(old, (), ()), rows(new, (), ()), "row")
    assert "0.5 before, 0.25 now" in line


def test_renamed_metrics_and_variants_are_compared(tmp_path):
    old = study(tmp_path / "old", 0.5, metric="missed", variant="noise/grey")
    new = study(tmp_path / "new", 0.5, metric="nll", variant="epsilon/grey")
    before = rows(old, ((r"^missed$", "nll"),), ((r"^noise\b", "epsilon"),))
    assert differences(before, rows(new, (), ()), "row") == []
    assert len(differences(rows(old, (), ()), rows(new, (), ()), "row")) == 2


def test_arrays_are_compared_bit_for_bit():
    a, b = np.float32([1, 2]), np.float32([1, 2])
    b[1] = np.nextafter(b[1], np.float32(3))
    assert differences({"w": a}, {"w": a.copy()}, "array") == []
    assert differences({"w": a}, {"w": b}, "array")
    assert differences({"w": a}, {"w": a.astype(np.float64)}, "array")
    assert differences({"w": a}, {"v": a}, "array") == [
        "array v: only now",
        "array w: only before",
    ]


def test_names_are_mapped_pattern_by_pattern():
    table = ((r"\.stats\b", ".model_state"), ("narrow", "down_projection"))
    assert renamed("state.stats.mean", table) == "state.model_state.mean"
    assert renamed("params.net.narrow", table) == "params.net.down_projection"


def test_tolerance_is_of_the_largest_value_and_of_floats_alone():
    a, b = np.float32([1, 2]), np.float32([1 + 1e-6, 2])
    assert differences({"w": a}, {"w": b}, "array", rtol=1e-5) == []
    assert differences({"w": a}, {"w": 1.1 * b}, "array", rtol=1e-5)
    assert differences({"w": a}, {"w": b.astype(np.float64)}, "array", rtol=1e-5)
    assert differences({"n": np.int32([3])}, {"n": np.int32([4])}, "array", rtol=1.0)


def test_renamed_modules_begin_from_the_old_initial_weights(monkeypatch):
    class Block(nn.Module):
        name_of_layer: str

        @nn.compact
        def __call__(self, x):
            return nn.Dense(3, name=self.name_of_layer)(x)

    def kernel(name):
        params = Block(name).init(jax.random.key(0), jnp.ones((1, 2)))["params"]
        return params[name]["kernel"]

    old, new = kernel("widen"), kernel("mlp_up")
    monkeypatch.setattr(LazyRng, "create", LazyRng.create)  # restored after the test
    fold_old_module_names()
    assert (new != old).all()
    np.testing.assert_array_equal(kernel("mlp_up"), old)
