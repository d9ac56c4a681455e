"""A study from flags to its report, stopped and resumed, in one process."""

import csv
import dataclasses
import json
import re
import shutil
import signal
import subprocess
import sys

import families_experiment
import pytest
import study_fixtures
from conftest import Quiet, drawing
from study_fixtures import assert_equal_trees, parse, read_lines, trials
from user_errors import check_stderr, user_error

import dljax
from dljax import cli
from dljax.commands import evaluate
from dljax.commands import report as report_command
from dljax.errors import DAMAGED_DATA, DONE, FAILED_RUNS, PREEMPTED
from dljax.launch.run_study import run_study
from dljax.studies import results, verdict
from dljax.studies.experiment import import_experiment
from dljax.studies.rule import rule_hash
from dljax.studies.study_spec import from_json, read_spec, to_json, write_spec

PIXELS = ("in_place", "shuffled")
SMALL = ("--channels=2", "--hidden=8", "--steps=40", "--seeds=2", "--log_every=5")


@pytest.fixture(scope="module")
def experiment():
    return import_experiment("experiments.cnn_vs_mlp")


@pytest.fixture(scope="module")
def study(tmp_path_factory, data_dir, experiment):
    """The directory of a finished small study."""
    directory = tmp_path_factory.mktemp("study")
    with drawing():
        run(experiment, directory, data_dir, *SMALL)
    return directory


def run(experiment, directory, data_dir, *arguments, **options):
    return study_fixtures.run(
        experiment, directory, *arguments, f"--data_dir={data_dir}", **options
    )


def read_csv(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_run_leaves_what_is_promised(study):
    assert len(trials(study)) == 4
    for trial in trials(study).values():
        manifest = json.loads((trial / "manifest.json").read_text())
        assert manifest["packages"]["jax"]
        assert manifest["data"]["name"] == "digits"
        assert manifest["seeds"] == [0, 1]
        assert manifest["timing"]["to_step"] == 40
        rows = read_lines(trial / "metrics.jsonl")
        assert {row["split"] for row in rows} == {"train", "valid", "test"}
        trained = [row for row in rows if row["split"] == "train"]
        steps = [row["step"] for row in trained if row["seed"] == 1]
        assert steps == [*range(5, 41, 5)]
        assert all({"loss", "grad_norm", "learning_rate"} <= set(r) for r in trained)
        assert not any("time" in key or "secs" in key for row in rows for key in row)
        tests = [row for row in rows if row["split"] == "test"]
        assert [(row["step"], row["seed"]) for row in tests] == [(40, 0), (40, 1)]


def test_results_and_report_are_as_documented(study):
    rows = read_csv(study / "results.csv")
    assert list(rows[0]) == ["variant", "network", "pixels", "seed", "metric", "value"]
    assert len(rows) == 4 * 2 * 2
    assert all(0 <= float(r["value"]) <= 1 for r in rows if r["metric"] == "accuracy")
    report = json.loads((study / "report.json").read_text())
    assert report["verdict"] == "undecided"
    assert report["smoke"] is True
    assert {"study", "claim", "rule", "primary_metric"} <= set(report)
    assert set(report["variants"][0]) == {
        *("variant", "n", "mean", "ci_low", "ci_high", "sd", "median"),
        *("bca_low", "bca_high", "solved"),
    }
    names = {"a", "b", "n", "difference", "ci_low", "ci_high", "p", "p_adjusted"}
    assert all(names <= set(c) for c in report["comparisons"])
    cells = {r["variant"]: r["mean"] for r in report["variants"]}
    gap = next(c for c in report["comparisons"] if c["name"] == "gap")
    difference = cells["cnn/in_place"] - cells["mlp/in_place"]
    assert gap["difference"] == pytest.approx(difference)
    metrics = {m["metric"]: m["variants"] for m in report["metrics"]}
    assert set(metrics) == {r["metric"] for r in rows}
    for metric, summaries in metrics.items():
        for summary in summaries:
            same = {"metric": metric, "variant": summary["variant"]}
            values = [float(r["value"]) for r in rows if same.items() <= r.items()]
            assert summary["n"] == len(values) == 2
            assert summary["mean"] == pytest.approx(sum(values) / 2)
            assert summary["ci_low"] <= summary["mean"] <= summary["ci_high"]


def test_the_page_is_one_file_that_asks_for_nothing(study):
    page = (study / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "http" not in re.sub(r"data:[^\"]*", "", page).replace("http://www.w3", "")
    assert page.count("<img") == len(re.findall(r'<img [^>]*alt="[^"]+"', page)) == 5
    names = re.findall(r"\(figures/(\w+)\.svg\)", (study / "report.md").read_text())
    assert names == ["curves", "finals", "differences", "effects", "predictions"]


@pytest.mark.drawn
def test_a_done_study_is_not_run_again_and_its_page_is_the_same(
    study, data_dir, experiment
):
    before = {p: p.read_bytes() for p in study.rglob("*") if p.is_file()}
    run(experiment, study, data_dir, *SMALL)
    after = {p: p.read_bytes() for p in study.rglob("*") if p.is_file()}
    changed = {p.name for p in before | after if before.get(p) != after.get(p)}
    assert not changed  # a trial that starts would extend its timing.jsonl


def test_a_stopped_study_resumes_to_the_same_bytes(
    study, tmp_path, data_dir, experiment
):
    calls = 0

    def stop():
        nonlocal calls
        calls += 1
        return calls % 20 == 0

    where = (f"--workdir={tmp_path}", f"--data_dir={data_dir}")
    request = parse(experiment, *SMALL, *where)
    codes = []
    while not codes or codes[-1] == PREEMPTED and len(codes) < 50:
        codes.append(run_study(experiment, request, stop=stop, progress=Quiet()))
    assert codes[-1] == DONE
    assert len(codes) > 3
    for name, trial in trials(study).items():
        copy = tmp_path / name
        for file in ("metrics.jsonl", "DONE", "config.json"):
            old = (trial / file).read_text().replace(str(study), "W")
            assert old == (copy / file).read_text().replace(str(tmp_path), "W"), file
        a, b = dljax.load(str(trial)), dljax.load(str(copy))
        assert_equal_trees(a.program.to_host(a.state), b.program.to_host(b.state))
    for file in ("results.csv", "report.json"):
        assert (study / file).read_text() == (tmp_path / file).read_text()


def test_seeds_and_levels_extend_a_study(tmp_path, data_dir, experiment):
    shutil.rmtree(tmp_path)
    few = (*SMALL[:3], "--seeds=1", "--network=mlp", "--pixels=in_place")
    run(experiment, tmp_path, data_dir, *few)
    (first,) = trials(tmp_path).values()
    before = {path.name: path.read_bytes() for path in first.glob("*.json*")}
    more = (*SMALL[:3], "--seeds=3", "--network=mlp")
    run(experiment, tmp_path, data_dir, *more)
    assert len(trials(tmp_path)) > 1
    assert before == {path.name: path.read_bytes() for path in first.glob("*.json*")}
    rows = read_csv(tmp_path / "results.csv")
    assert {(r["pixels"], r["seed"]) for r in rows} == {
        (pixels, seed) for pixels in PIXELS for seed in "012"
    }


def test_every_difference_from_a_whole_study_is_named(
    study, tmp_path, data_dir, experiment
):
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    # A shortened study fixes nothing, so make it look like a whole one.
    write_spec(copy, dataclasses.replace(read_spec(copy), shortened=False))
    flags = ("--batch_size=32", "--dropout=0.1")
    with user_error("settings-differ", *flags, "16", "0.5", "--workdir"):
        run(experiment, copy, data_dir, *SMALL, *flags)


def test_a_spec_survives_json(study):
    spec = read_spec(study)
    assert from_json(json.loads(json.dumps(to_json(spec)))) == spec
    assert [entry.label for entry in spec.trials] == list(spec.variants)
    assert all(type(seed) is int for batch in spec.seed_batches for seed in batch)


def test_a_spec_of_an_earlier_version_is_one_line(study, tmp_path, experiment):
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    values = to_json(read_spec(study))
    values["blocks"] = values.pop("seed_batches")
    (copy / "study.json").write_text(json.dumps(values))
    with user_error("damaged-record", copy / "study.json", code=DAMAGED_DATA):
        report_command.main([str(copy)])


def test_loading_and_evaluating_a_run_gives_what_it_recorded(study):
    trial = next(iter(trials(study).values()))
    loaded = dljax.load(str(trial))
    assert loaded.step == 40
    assert [run.seed for run in loaded.runs] == [0, 1]
    assert loaded.variant.replace("/", "-") in trial.name
    assert evaluate.main([str(trial)]) == DONE  # else a metric differs
    nan = float("nan")
    assert evaluate._distance(None, nan) == 0
    assert evaluate._distance(None, 1.0) == evaluate._distance(1.0, nan) == float("inf")


def test_a_run_of_a_script_that_had_other_flags_is_not_loaded(study, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    trial = next(iter(trials(copy).values()))
    record = json.loads((trial / "config.json").read_text())
    record["config"]["heigth"] = 3
    (trial / "config.json").write_text(json.dumps(record))
    with user_error("config-changed", trial, "heigth", "manifest.json"):
        dljax.load(str(trial))


def test_a_run_of_a_script_that_had_fewer_flags_is_loaded(study, tmp_path):
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    trial = next(iter(trials(copy).values()))
    record = json.loads((trial / "config.json").read_text())
    default = record["config"].pop("dropout")
    (trial / "config.json").write_text(json.dumps(record))
    assert dljax.load(str(trial)).config.dropout == default


def test_evaluate_says_when_a_record_differs(study, tmp_path, capsys):
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    trial = next(iter(trials(copy).values()))
    rows = read_lines(trial / "metrics.jsonl")
    rows[-1]["accuracy"] += 0.25
    (trial / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert evaluate.main([str(trial)]) == FAILED_RUNS
    (line,) = (s for s in capsys.readouterr().out.splitlines() if "0.25" in s)
    assert "seed 1" in line
    assert "accuracy" in line


@pytest.mark.drawn
def test_the_report_can_be_written_again(study, capsys):  # and is printed
    page = (study / "report.html").read_bytes()
    (study / "report.html").unlink()
    assert report_command.main([str(study)]) == DONE
    assert (study / "report.html").read_bytes() == page
    printed = capsys.readouterr().out
    assert str(study / "report.html") in printed
    assert "UNDECIDED" in printed


@pytest.mark.parametrize(
    ("command", "error_id"), [("report", "not-a-study"), ("evaluate", "not-a-trial")]
)
def test_commands_name_a_wrong_directory(command, error_id, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "dljax", command, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    check_stderr(done.stderr, error_id, tmp_path)


def test_a_rule_that_fails_is_one_line_and_loses_nothing(study, tmp_path, experiment):
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    spec = dataclasses.replace(
        read_spec(copy), not_judged_because="", seeds=(0, 1) * 10
    )
    rows = results.collect(copy, spec, rule_hash(experiment.study))
    compared = verdict.comparisons(experiment.study, rows)
    compared = {k: c._replace(n=20) for k, c in compared.items()}
    for rule, *names in (
        (lambda **comparisons: "yes", "bad-verdict", "'yes'", "supported"),
        (
            lambda **comparisons: comparisons["gap"].over(0),
            *("rule-raised", "AttributeError", "test_study.py:"),
        ),
    ):
        with user_error(*names, "STUDY.rule"):
            verdict.decide(experiment.study._replace(rule=rule), rows, compared)


def test_plan_prints_trials_and_runs_none(tmp_path, data_dir, experiment, capsys):
    run(experiment, tmp_path / "w", data_dir, *SMALL, "--network=mlp", "--plan")
    names = re.findall(r"^([\w-]+)-[0-9a-f]{10}\b", capsys.readouterr().out, re.M)
    assert names == [f"mlp-{p}" for p in PIXELS]
    assert not (tmp_path / "w").exists()


def test_a_signal_ends_a_plan_and_asks_a_run_to_stop(tmp_path, data_dir, monkeypatch):
    monkeypatch.setattr(cli, "run_study", lambda *args, **options: DONE)
    where = (f"--data_dir={data_dir}", f"--workdir={tmp_path}")
    before = {number: signal.getsignal(number) for number in cli.SIGNALS}
    try:
        cli.run(families_experiment, [*where, "--plan"])
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        cli.run(families_experiment, where)
        assert {callable(signal.getsignal(number)) for number in cli.SIGNALS} == {True}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.long
def test_profile_writes_a_trace(tmp_path, data_dir, experiment):
    flags = ("--network=mlp", "--pixels=in_place", "--profile")
    run(experiment, tmp_path, data_dir, *SMALL, *flags)
    assert list(tmp_path.rglob("*.xplane.pb"))
