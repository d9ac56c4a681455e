"""Results as JSON files: written, read again, and refused where they are damaged."""

import dataclasses
import json
import pathlib

import pytest
from user_errors import user_error

from dljax.errors import DAMAGED_DATA
from dljax.studies import recorded_results
from dljax.studies.recorded_results import (
    RecordedContrast,
    RecordedMetric,
    RecordedResult,
    RecordedSpec,
    RecordedVariant,
)

ROOT = pathlib.Path(__file__).parents[1]
GAP = RecordedContrast(
    name="gap",
    a="cnn",
    b="mlp",
    difference=0.1234567891,
    ci_low=0.1,
    ci_high=0.14,
    simultaneous_low=0.09,
    simultaneous_high=0.15,
    p=0.001,
    p_adjusted=0.002,
)
RESULT = RecordedResult(
    experiment="cnn_vs_mlp",
    dataset="digits",
    origin="recorded",
    date="2026-12-01",
    minutes=1.4,
    hardware="2 cores",
    versions={"jax": "0.10.2"},
    spec=RecordedSpec(
        full=False, factors={"network": ("cnn", "mlp")}, fixed={"epochs": 60.0}
    ),
    rule_sha256="ab",
    seeds=(0, 1, 2),
    test_train_ratio=0.25,
    primary_metric="accuracy",
    verdict="supported",
    why="",
    variants=(
        RecordedVariant(
            variant="cnn",
            n=2,
            metrics={
                "accuracy": RecordedMetric(
                    mean=0.95, ci_low=0.9, ci_high=1.0, values=(0.9, None, 1.0)
                )
            },
        ),
    ),
    contrasts=(GAP,),
)
PROSE = dataclasses.replace(
    RESULT,
    origin="prose",
    date=None,
    minutes=None,
    versions={},
    spec=None,
    rule_sha256=None,
    variants=(
        RecordedVariant(
            variant="cnn",
            n=3,
            metrics={"accuracy": RecordedMetric(mean=0.95, ci_low=None, ci_high=None)},
        ),
    ),
    notes=("one run",),
)


@pytest.mark.parametrize("result", [RESULT, PROSE], ids=["recorded", "prose"])
def test_a_result_is_read_as_it_was_written(result, tmp_path):
    path = tmp_path / "cnn_vs_mlp-digits.json"
    recorded_results.write(path, result)
    rounded = dataclasses.replace(GAP, difference=0.123457)
    assert recorded_results.read(path) == dataclasses.replace(
        result, contrasts=(rounded,)
    )
    assert recorded_results.read_all(tmp_path) == (recorded_results.read(path),)
    text = path.read_text()
    recorded_results.write(path, recorded_results.read(path))
    assert path.read_text() == text
    assert list(json.loads(text)) == [
        field.name for field in dataclasses.fields(RecordedResult)
    ]


def test_values_are_by_seed_without_failed_runs():
    assert RESULT.values("cnn", "accuracy") == {0: 0.9, 2: 1.0}
    assert RESULT.values("cnn", "loss") == {}
    assert PROSE.values("cnn", "accuracy") == {}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda r: r.pop("verdict"), "verdict"),
        (lambda r: r.update(verdict="true"), "verdict"),
        (lambda r: r.update(origin="memory"), "origin"),
        (lambda r: r.update(colour=1), "colour"),
        (lambda r: r.update(dataset="mnist"), "experiment"),
        (lambda r: r.update(minutes="long"), "minutes"),
        (lambda r: r.update(seeds=[0, 1.5, 2]), "seeds[1]"),
        (lambda r: r.update(variants={}), "variants"),
        (lambda r: r["contrasts"][0].pop("p"), "contrasts[0].p"),
        (lambda r: r["contrasts"].append(3), "contrasts[1]"),
        (
            lambda r: r["variants"][0]["metrics"]["accuracy"].update(mean=None),
            "variants[0].metrics.accuracy.mean",
        ),
        (
            lambda r: r["variants"][0]["metrics"]["accuracy"].update(values=[1]),
            "variants[0].metrics.accuracy.values",
        ),
    ],
)
def test_a_damaged_file_names_its_path_and_key(change, key, tmp_path):
    path = tmp_path / "cnn_vs_mlp-digits.json"
    recorded_results.write(path, RESULT)
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    with user_error("damaged-record", f"{path}: {key}: ", code=DAMAGED_DATA):
        recorded_results.read(path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_file_that_is_no_object_is_refused(text, tmp_path):
    path = tmp_path / "cnn_vs_mlp-digits.json"
    path.write_text(text)
    with user_error("damaged-record", path, "dljax record", code=DAMAGED_DATA):
        recorded_results.read(path)


def test_every_committed_result_is_readable():
    for result in recorded_results.read_all(ROOT / "experiments/results"):
        assert result.variants
        script = result.experiment.replace(".", "/")
        assert (ROOT / f"experiments/{script}.py").is_file()
