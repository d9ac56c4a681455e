"""Fair tuning: the same budget for all, on validation data, apart from the verdict."""

import json
import re
import subprocess

import digits_experiment
import numpy as np
import pytest
from study_fixtures import read_lines, run, trials
from user_errors import user_error

from dljax.commands import report
from dljax.config import FIRST_TUNING_SEED
from dljax.studies import tuning
from dljax.studies.experiment import import_experiment

SHORT = ("--steps=60", "--log_every=60", "--width=0,8", "--activation=tanh")
CANDIDATES = digits_experiment.STUDY.tune["learning_rate"]


@pytest.fixture(scope="module")
def experiment():
    return import_experiment(digits_experiment.__file__)


@pytest.fixture(scope="module")
def study(tmp_path_factory, experiment):
    directory = tmp_path_factory.mktemp("tuned")
    run(experiment, directory, *SHORT)
    return directory


def trial_directories(directory, *, tune):
    return {
        name: d for name, d in trials(directory).items() if ("tuning" in name) == tune
    }


def trial_directory(study, slug, *, tune):
    names = trial_directories(study, tune=tune)
    (name,) = (name for name in names if name.startswith(slug))
    return names[name]


def test_every_variant_has_the_same_candidates_seeds_and_updates(study):
    budgets = set()
    for directory in trial_directories(study, tune=True).values():
        config = json.loads((directory / "config.json").read_text())
        runs = [
            (run["seed"], run["numbers"]["learning_rate"]) for run in config["runs"]
        ]
        budgets.add((config["steps"], *sorted(runs)))
    assert len(trial_directories(study, tune=True)) == 2
    (budget,) = budgets
    assert {rate for _, rate in budget[1:]} == set(CANDIDATES)
    assert {seed for seed, _ in budget[1:]} == {
        FIRST_TUNING_SEED,
        FIRST_TUNING_SEED + 1,
    }


def test_tuning_never_reads_test_data(study):
    for directory in trial_directories(study, tune=True).values():
        rows = read_lines(directory / "metrics.jsonl")
        assert {row["split"] for row in rows} == {"train", "valid"}
        assert not (directory / "samples.npz").exists()
    for directory in trial_directories(study, tune=False).values():
        seeds = {row["seed"] for row in read_lines(directory / "metrics.jsonl")}
        assert seeds == set(range(8))


def test_the_best_on_validation_data_is_what_is_trained(study):
    report = json.loads((study / "report.json").read_text())
    for variant in ("0/tanh", "8/tanh"):
        candidates = [row for row in report["tuning"] if row["variant"] == variant]
        assert [row["values"]["learning_rate"] for row in candidates] == list(
            CANDIDATES
        )
        slug = variant.replace("/", "-")
        directory = trial_directory(study, slug, tune=True)
        last = {}
        for row in read_lines(directory / "metrics.jsonl"):
            if row["split"] == "valid":
                last[row["variant"], row["seed"]] = row["accuracy"]
        for row in candidates[:2]:
            name = f"{variant} (learning_rate {row['values']['learning_rate']})"
            scores = [v for (n, _), v in last.items() if n == name]
            assert len(scores) == 2
            assert row["score"] == pytest.approx(np.mean(scores))
        assert candidates[2]["score"] is None, "1e38 is not finite, and not chosen"
        (best,) = (row for row in candidates if row["chosen"])
        assert best["score"] == max(row["score"] for row in candidates[:2])
        directory = trial_directory(study, slug, tune=False)
        config = json.loads((directory / "config.json").read_text())
        assert {run["numbers"]["learning_rate"] for run in config["runs"]} == {
            best["values"]["learning_rate"]
        }
    page = (study / "report.html").read_text()
    assert all(f"learning_rate {candidate}" in page for candidate in CANDIDATES)


def test_a_candidate_that_fails_fails_no_study(study):
    assert json.loads((study / "report.json").read_text())["failed"] == []


def test_what_the_command_line_gives_is_not_tuned(tmp_path, experiment):
    run(experiment, tmp_path, "--learning_rate=0.02")
    assert not trial_directories(tmp_path, tune=True)
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["smoke"], report["verdict"]) == (True, "undecided")
    assert "learning_rate" in report["why"]


def test_commands_come_in_two_rounds(tmp_path, study, experiment, capsys):
    def commands():
        run(experiment, tmp_path, *SHORT, "--launcher=commands")
        return capsys.readouterr().out.splitlines()

    first = commands()
    assert len(first) == 2
    assert all("tuning" in line for line in first)
    for line in first:
        subprocess.run(line, shell=True, check=False, capture_output=True)
    with user_error("tuning-not-finished", tmp_path):
        report.main([str(tmp_path)])
    second = commands()
    assert len(second) == 2
    assert not set(first) & set(second)
    run(experiment, tmp_path, *SHORT)
    same = "results.csv"
    assert (tmp_path / same).read_bytes() == (study / same).read_bytes()


def test_plan_says_what_follows_on_tuning(tmp_path, experiment, capsys):
    run(experiment, tmp_path / "none", *SHORT, "--plan")
    lines = capsys.readouterr().out.splitlines()
    trial_lines = [s for s in lines if re.match(r"[\w-]+-tuning-[0-9a-f]{10}\b", s)]
    assert len(trial_lines) == 2
    assert any("2 variants" in line and "8 seeds" in line for line in lines)


def tuning_trial(score_rows, tmp_path):
    """A finished tuning trial with these (candidate, seed, accuracies) on disk."""
    directory = tmp_path / "t"
    directory.mkdir()
    rows = [
        {"step": i, "seed": seed, "variant": name, "split": "valid", "accuracy": a}
        for name, seed, values in score_rows
        for i, a in enumerate(values)
    ]
    (directory / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return directory


@pytest.mark.parametrize(
    ("select", "higher", "expected"),
    [("final", True, 0.2), ("best_valid", True, 0.9), ("best_valid", False, 0.2)],
)
def test_a_run_is_scored_as_it_will_be_tested(select, higher, expected, tmp_path):
    directory = tuning_trial([("a", 0, [0.9, None, 0.2])], tmp_path)
    study = digits_experiment.STUDY._replace(select=select, higher=higher)
    assert tuning._validated(study, directory) == {("a", 0): expected}
