"""Metrics other than the primary one: measured, compared and drawn."""

import json
import types

import digits_experiment
import families
import jax.numpy as jnp
import numpy as np
import pytest
import study_fixtures
from conftest import drawing
from user_errors import user_error

from dljax.reporting import profiles, sample_figures, templates
from dljax.sources.image_rendering import render_predictions
from dljax.sources.transforms import with_train_eval
from dljax.studies.experiment import of_module
from dljax.studies.study import Profile


def task(config, source, numbers):
    """The small task; its final metric is that of a constant answer."""
    task = digits_experiment.task(config, source, numbers)

    def final_metrics(params, model_state, batch, key):
        del params, model_state, key
        weight = batch["weight"]
        return {
            f"is_{digit}": (((batch["label"] == digit) * weight).sum(), weight.sum())
            for digit in (0, 1, 2)
        }

    def sample(params, model_state, batch, key):
        samples = task.sample(params, model_state, batch, key)
        return {**samples, "map": batch["image"][..., 0] - 0.5}

    return task._replace(final_metrics=final_metrics, sample=sample)


@pytest.fixture(scope="module")
def experiment(data_dir):
    study = digits_experiment.STUDY._replace(
        factors={"width": (4, 8, 16)},
        tune={},
        contrasts={
            "overfitting": ("8@train_accuracy", "8"),
            "over_chance": ("8", 0.1),
            "one": ("16@is_1", "16@is_0"),
        },
        rule=rule,
        profiles=[
            Profile(y="share", x="digit", points={"is_0": 0, "is_1": 1, "is_2": 2})
        ],
    )
    return of_module(digits_experiment)._replace(
        study=study,
        task=task,
        source=lambda config: with_train_eval(digits_experiment.source(config)),
    )


def rule(overfitting, over_chance, one):
    """Supported if better than chance."""
    del overfitting, one
    return "supported" if over_chance.above(0) else "undecided"


@pytest.fixture(scope="module")
def study(tmp_path_factory, experiment, data_dir):
    directory = tmp_path_factory.mktemp("measures")
    with drawing():
        study_fixtures.run(experiment, directory, f"--data_dir={data_dir}", "--seeds=8")
    return directory


def finals(study, variant):
    """{seed: its test row}"""
    (trial,) = (
        t for t in study_fixtures.trials(study).values() if t.name.startswith(variant)
    )
    rows = study_fixtures.read_lines(trial / "metrics.jsonl")
    assert not any("is_0" in r for r in rows if r["split"] != "test")
    return {row["seed"]: row for row in rows if row["split"] == "test"}


def test_contrasts_of_other_metrics_and_of_numbers(study):
    report = json.loads((study / "report.json").read_text())
    comparisons = {c["name"]: c for c in report["comparisons"]}
    rows = finals(study, "8").values()
    gap = np.mean([r["train_accuracy"] - r["accuracy"] for r in rows])
    assert comparisons["overfitting"]["difference"] == pytest.approx(gap)
    over = np.mean([r["accuracy"] for r in rows]) - 0.1
    assert comparisons["over_chance"]["difference"] == pytest.approx(over)
    assert report["verdict"] == "supported"
    digits = np.mean([r["is_1"] - r["is_0"] for r in finals(study, "16").values()])
    assert comparisons["one"]["difference"] == pytest.approx(digits)


def test_final_metrics_are_of_the_test_data(study, experiment, data_dir):
    config = study_fixtures.parse(experiment, f"--data_dir={data_dir}").config
    source = digits_experiment.source(config)
    for seed, row in finals(study, "4").items():
        labels = source.arrays["label"][source.split(seed)["test"]]
        assert row["is_0"] == pytest.approx((labels == 0).mean(), 1e-6)


def test_the_report_draws_profiles_factors_and_maps(study):
    page = (study / "report.html").read_text()
    for name in ("profiles", "by_factor", "pixel_maps", "predictions"):
        assert (study / "figures" / f"{name}.svg").is_file(), name
    assert page.count("data:image/svg+xml") >= 4


@pytest.mark.long
def test_a_contrast_of_a_metric_that_is_not_measured_is_refused(experiment, tmp_path):
    wrong = experiment.study._replace(
        contrasts=experiment.study.contrasts | {"one": ("16@is_9", "16@is_0")}
    )
    with user_error("metric-not-measured", "is_9", "is_2"):
        study_fixtures.run(experiment._replace(study=wrong), tmp_path, "--seeds=2")


def test_clips_are_shown_as_a_few_frames():
    clip = jnp.arange(16.0).reshape(1, 16, 1, 1, 1) * jnp.ones((3, 1, 2, 2, 1)) / 16
    samples = {"image": np.asarray(clip)}
    source = families.table(samples)._replace(classes=("up", "down"))
    assert render_predictions(source, samples) == ()  # without predictions
    samples |= {"prediction": np.array([0, 1, 0]), "label": np.zeros(3, int)}
    predictions = render_predictions(source, samples)
    figure = sample_figures.draw_predictions({"a": predictions})
    assert [axis.get_title() for axis in figure.axes] == ["up", "down ≠ up", "up"]
    (picture,) = figure.axes[0].get_images()
    np.testing.assert_array_equal(
        picture.get_array()[0] * 16, np.repeat([0, 5, 10, 15], 2)
    )


def test_factor_that_determines_another_is_one_line():
    rows = [{"context": 2**i, "batch": 64 // 2**i} for i in (1, 3, 5)]
    variants = {f"{row['context']}/{row['batch']}": row for row in rows}
    levels = {name: [row[name] for row in rows] for name in rows[0]}
    results = types.SimpleNamespace(
        spec=types.SimpleNamespace(factors=levels, variants=variants),
        values=lambda variant, measure: {0: 0.5, 1: 0.7},
        test_train_ratio=0.0,
    )
    (axis,) = profiles.of_factor(results, "loss").axes
    (line,) = axis.lines
    assert list(line.get_xdata()) == levels["context"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["2", "8", "32"]


def test_a_text_of_several_lines_is_one_cell_of_a_table():
    row = templates.environment().from_string("| {{ text | table_cell }} |")
    assert row.render(text="a | b\n\nc") == r"| a \| b↵↵c |"
