"""The comparison behind `make golden` notices what differs, and maps renamed names."""

import json

import numpy as np
from compare_commits import differences, renamed, rows


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
