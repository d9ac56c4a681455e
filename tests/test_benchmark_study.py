"""Benchmark studies: interleaved rounds, and a verdict by the same rules."""

import json
import re
import sys

import digits_experiment
import pytest
import study_fixtures
from conftest import Quiet
from user_errors import user_error

from dljax.errors import PREEMPTED
from dljax.launch.run_study import run_study
from dljax.studies import loading
from dljax.studies.experiment import of_module

TURNS = []


def measure(config, task, source):
    """Measures the width of the layer as seconds per round."""
    assert task.turns
    assert source.split(0)

    def round_of(seed):
        TURNS.append((config.width, seed))
        return {"secs": config.width + 0.01 * (seed % 3), "other": 1.0}

    return round_of


def rule(wider):
    """Supported if 16 takes more seconds than 8."""
    return "supported" if wider.above(0) else "undecided"


@pytest.fixture
def experiment():
    study = digits_experiment.STUDY._replace(
        factors={"width": (8, 16)},
        tune={},
        primary_metric="secs",
        higher=False,
        contrasts={"wider": ("16", "8")},
        rule=rule,
    )
    TURNS.clear()
    return of_module(digits_experiment)._replace(study=study, measure=measure)


@pytest.mark.drawn
def test_variants_are_interleaved_and_judged(
    experiment, tmp_path, data_dir, monkeypatch
):
    data = f"--data_dir={data_dir}"
    study_fixtures.run(experiment, tmp_path, data, "--seeds=8")
    assert [(width, seed) for seed in range(8) for width in (8, 16)] == TURNS
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["verdict"] == "supported"
    means = [row["mean"] for row in report["variants"]]
    assert means == pytest.approx([8.00875, 16.00875])
    assert not (tmp_path / "figures" / "curves.svg").exists()
    study_fixtures.run(experiment, tmp_path, data, "--seeds=8")
    assert len(TURNS) == 16  # nothing is measured twice
    # The module that is imported by its name: other tests may have loaded another.
    monkeypatch.setattr(
        sys.modules["digits_experiment"], "measure", measure, raising=False
    )
    (trial, *_) = study_fixtures.trials(tmp_path).values()
    with user_error("nothing-to-load", trial):
        loading.load(str(trial))


def test_added_seeds_measure_all_variants_again(experiment, tmp_path):
    study_fixtures.run(experiment, tmp_path, "--seeds=8", "--width=8")
    study_fixtures.run(experiment, tmp_path, "--seeds=8")
    assert [(width, seed) for seed in range(8) for width in (8, 16)] == TURNS[8:]


def test_stopped_benchmark_writes_nothing(experiment, tmp_path):
    stop = lambda: len(TURNS) == 3  # noqa: E731
    study_fixtures.run(experiment, tmp_path, "--seeds=8", stop=stop, code=PREEMPTED)
    assert not study_fixtures.trials(tmp_path)
    study_fixtures.run(experiment, tmp_path, "--seeds=8")
    assert len(TURNS) == 3 + 16


def test_plan_measures_nothing(experiment, tmp_path, capsys):
    study_fixtures.run(experiment, tmp_path, "--plan")
    out = capsys.readouterr().out
    assert re.findall(r"^(\d+)-[0-9a-f]{10}\b", out, re.M) == ["8", "16"]
    assert re.search(r"^\d+ seeds: .*\b1 contrast\b", out, re.M)
    assert not TURNS


@pytest.mark.parametrize(
    "flag",
    ["--jobs=2", "--trial=x", "--launcher=commands", "--seeds_by=vmap", "--profile"],
)
def test_flags_against_interleaving_are_refused(experiment, tmp_path, flag):
    request = study_fixtures.parse(experiment, flag, f"--workdir={tmp_path}")
    with user_error("flag-not-applicable", flag.split("=")[0]):
        run_study(experiment, request, stop=lambda: False, progress=Quiet())


def test_missing_metric_is_refused(experiment, tmp_path):
    wrong = experiment._replace(study=experiment.study._replace(primary_metric="secz"))
    with user_error("metric-not-measured", "measure", "secs", "secz"):
        study_fixtures.run(wrong, tmp_path, "--seeds=2")


def test_benchmark_study_refuses_tuning(experiment, tmp_path):
    tuned = experiment.study._replace(tune={"learning_rate": (0.1, 0.2)})
    with user_error("study-cannot-tune", "STUDY.tune"):
        study_fixtures.run(experiment._replace(study=tuned), tmp_path)
