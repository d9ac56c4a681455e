"""Looks: a verdict after more seeds is given only at declared numbers of seeds."""

import json

import digits_experiment
import pytest
from study_fixtures import run

from dljax.reporting.templates import share
from dljax.studies.experiment import import_experiment
from dljax.studies.study_spec import seeds_not_judged_because

FIRST, MORE = [*range(8)], [*range(8, 16)]


@pytest.mark.parametrize(
    ("looks", "seeds", "batches", "allowed"),
    [
        ((), FIRST, [FIRST], True),
        ((), FIRST + MORE, [FIRST, MORE], False),  # added after a verdict
        ((), FIRST, [FIRST, MORE], True),  # the first verdict, repeated
        ((), FIRST, [FIRST + MORE], False),  # fewer than the study started with
        ((), MORE, [FIRST, MORE], False),  # other seeds than the first ones
        ((8, 16), FIRST, [FIRST], True),
        ((8, 16), FIRST + MORE, [FIRST, MORE], True),
        ((8, 16), FIRST + MORE[:2], [FIRST, MORE[:2]], False),  # 10 is not a look
        ((8, 16), MORE, [FIRST, MORE], False),
    ],
)
def test_verdicts_are_given_at_declared_looks_only(looks, seeds, batches, allowed):
    study = digits_experiment.STUDY._replace(looks=looks)
    assert (seeds_not_judged_because(study, seeds, batches) == "") == allowed


@pytest.fixture(scope="module")
def experiment():
    experiment = import_experiment(digits_experiment.__file__)
    study = experiment.study._replace(tune={}, factors={"width": (0, 16)})
    study = study._replace(contrasts={"wider": ("16", "0")})
    return experiment._replace(study=study)


def report_of(experiment, directory, seeds):
    run(experiment, directory, f"--seeds={seeds}")
    return json.loads((directory / "report.json").read_text())


def test_seeds_added_after_a_verdict_give_no_other(tmp_path, experiment):
    assert report_of(experiment, tmp_path, 8)["why"] == ""
    assert "seeds" in report_of(experiment, tmp_path, 10)["why"]
    assert report_of(experiment, tmp_path, 8)["why"] == ""


@pytest.mark.long
def test_earlier_looks_are_remembered(tmp_path, experiment):
    assert report_of(experiment, tmp_path, 8)["why"] == ""
    run(experiment, tmp_path, "--width=4", "--launcher=commands")  # starts no trial
    assert "seeds" in report_of(experiment, tmp_path, 10)["why"]


def test_declared_looks_share_the_error(tmp_path, experiment):
    once = report_of(experiment, tmp_path / "once", 8)
    experiment = experiment._replace(study=experiment.study._replace(looks=(8, 10)))
    first = report_of(experiment, tmp_path, 8)
    assert first["why"] == ""
    (single,), (split,) = once["comparisons"], first["comparisons"]
    assert split["alpha"] == pytest.approx(single["alpha"] / 2)
    assert split["simultaneous_low"] < single["simultaneous_low"]
    assert report_of(experiment, tmp_path, 10)["why"] == ""
    assert "8 or 10" in report_of(experiment, tmp_path, 9)["why"]


@pytest.mark.long
def test_twenty_seeds_have_bootstrap_and_exact_intervals(tmp_path, experiment):
    def source(config):  # as where no seeds share examples
        return digits_experiment.source(config)._replace(test_train_ratio=0.0)

    def task(config, source, numbers):
        task_of_digits = digits_experiment.task(config, source, numbers)

        def metrics(params, model_state, batch, key):
            right, count = task_of_digits.metrics(params, model_state, batch, key)[
                "accuracy"
            ]
            return {"accuracy": (1.0 * (right >= 0.94 * count), 1.0)}  # of one batch

        return task_of_digits._replace(metrics=metrics)

    experiment = experiment._replace(source=source, task=task)
    report = report_of(experiment, tmp_path, 20)
    for row in report["variants"]:
        solved, low, high = row["solved"]
        assert solved == row["mean"]
        assert low <= solved <= high
        if row["sd"]:
            assert row["bca_low"] < row["mean"] < row["bca_high"]
    assert any(row["sd"] for row in report["variants"])
    page = (tmp_path / "report.md").read_text()
    assert "BCa" in page
    assert all(share(row["solved"]) in page for row in report["variants"])
    assert share((0.85, 0.6211, 0.9679)) == "85 % (62 % to 97 %)"


def test_folds_are_corrected_for_what_they_share(tmp_path, experiment):
    report = report_of(experiment, tmp_path, 8)
    (c,) = report["comparisons"]
    assert c["test_train_ratio"] == pytest.approx(360 / 1077)
    low, high = report["variants"][0]["ci_low"], report["variants"][0]["ci_high"]
    sd = report["variants"][0]["sd"]
    # Nadeau and Bengio 2003, eq. 9, with Student's t of 7 degrees of freedom, 2.3646.
    assert high - low == pytest.approx(
        2 * 2.3646 * sd * (1 / 8 + 360 / 1077) ** 0.5, 1e-4
    )
    assert "Nadeau and Bengio" in (tmp_path / "report.html").read_text()
