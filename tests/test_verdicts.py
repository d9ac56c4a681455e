"""No verdict is given if a rule, a script or a setting changed after the runs."""

import dataclasses
import importlib
import json
import re
import shutil

import digits_experiment
import pytest
from study_fixtures import parse, run, trials
from user_errors import user_error

from dljax.config import flag
from dljax.errors import FAILED_RUNS
from dljax.studies import results, verdict
from dljax.studies.experiment import import_experiment
from dljax.studies.rule import rule_hash, rule_text, task_hash
from dljax.studies.study_spec import make_spec, read_spec

MARGIN = 0.0


def wider_by_margin(wider):
    """Supported if it is wider by the margin."""
    return "supported" if wider.above(MARGIN) else "undecided"


@pytest.fixture(scope="module")
def experiment():
    experiment = import_experiment(digits_experiment.__file__)
    study = experiment.study._replace(tune={}, factors={"width": (0, 16)})
    study = study._replace(contrasts={"wider": ("16", "0")}, looks=(8, 10))
    return experiment._replace(study=study)


@pytest.fixture(scope="module")
def judged(tmp_path_factory, experiment):
    directory = tmp_path_factory.mktemp("judged")
    run(experiment, directory)
    return directory


def why(directory):
    return json.loads((directory / "report.json").read_text())["why"]


def again(experiment, judged, tmp_path, *arguments, **study):
    directory = tmp_path / "study"
    shutil.copytree(judged, directory)
    changed = experiment._replace(study=experiment.study._replace(**study))
    lines = run(changed, directory, *arguments)
    return why(directory), lines


def test_the_study_as_declared_is_judged(judged):
    assert why(judged) == ""


def test_a_rule_that_is_changed_after_the_runs_decides_nothing(
    experiment, judged, tmp_path
):
    for change in ({"rule": wider_by_margin}, {"contrasts": {"wider": ("0", "16")}}):
        reason, _ = again(experiment, judged, tmp_path / "-".join(change), **change)
        assert "rule" in reason


def never(**contrasts):
    """Always undecided."""
    del contrasts
    return "undecided"


def test_seeds_too_few_for_the_contrasts_are_reported_before_they_run(
    experiment, judged, tmp_path
):
    many = {f"wider_{i}": ("16", "0") for i in range(9)}
    _, lines = again(experiment, judged, tmp_path, rule=never, contrasts=many)
    assert {"8", "9", "10"} <= set(re.findall(r"\w+", lines[0]))


def test_all_reasons_against_a_verdict_are_known_before_the_run(experiment, tmp_path):
    def lines(*arguments):
        spec = make_spec(experiment, parse(experiment, *arguments), None)
        return verdict.describe_in_advance(experiment.study, spec)

    (enough,) = lines()
    assert re.findall(r"\d+", enough) == ["8", "1", "2"]  # seeds, contrasts, looks
    few, reasons = lines("--seeds=4", "--steps=20", "--width=0")
    assert re.findall(r"\d+", few) == ["4", "1", "2", "7"]
    assert all(name in reasons for name in ("steps", "4 of 8 seeds", "width=16"))
    assert "wider" in reasons


def test_a_size_that_is_changed_after_the_runs_decides_nothing(
    experiment, judged, tmp_path
):
    other = {
        "default_is_full": {},
        "full": {"digits": {}},
    }  # the same size by other words
    reason, _ = again(experiment, judged, tmp_path, "--full", **other)
    assert reason == ""
    for changed in ({"sizes": {"digits": {"seeds": 9}}}, {"default_is_full": {}}):
        folder = tmp_path / "-".join(changed)
        reason, _ = again(experiment, judged, folder, "--seeds=8", **changed)
        assert "size" in reason


def test_seeds_without_a_number_are_not_left_out(experiment, judged):
    spec = read_spec(judged)
    collected = results.collect(judged, spec, rule_hash(experiment.study))
    collected.final["16"][3]["accuracy"] = None
    compared = verdict.comparisons(experiment.study, collected)
    decided, reason = verdict.decide(experiment.study, collected, compared)
    assert decided == "undecided"
    assert "7 of 8 seeds" in reason
    assert "wider" in reason


def test_contrasts_of_undeclared_variants_are_undecided(experiment, judged):
    spec = read_spec(judged)
    collected = results.collect(judged, spec, rule_hash(experiment.study))
    variants = {k: v for k, v in collected.spec.variants.items() if k != "16"}
    spec = dataclasses.replace(collected.spec, variants=variants)
    collected = dataclasses.replace(collected, spec=spec)
    collected.final["16"].clear()
    compared = verdict.comparisons(experiment.study, collected)
    decided, reason = verdict.decide(experiment.study, collected, compared)
    assert decided == "undecided"
    assert "wider" in reason


def test_a_trial_whose_rule_is_unknown_decides_nothing(experiment, judged, tmp_path):
    directory = tmp_path / "study"
    shutil.copytree(judged, directory)
    (trial, *_) = trials(directory).values()
    (trial / "manifest.json").unlink()
    run(experiment, directory)
    assert f"{trial.name}/manifest.json" in why(directory)


def test_levels_that_are_not_combined_are_refused(experiment, tmp_path):
    study = experiment.study._replace(
        factors={"width": (0, 16), "activation": ("relu", "tanh")},
        contrasts={"wider": ("16/tanh", "0/relu")},
        design=[
            {"width": 0, "activation": "relu"},
            {"width": 16, "activation": "tanh"},
        ],
    )
    flags = ("--width=0", "--activation=tanh")
    names = ("--width", "--activation", "0/relu", "16/tanh")
    with user_error("unknown-variant", *names):
        run(experiment._replace(study=study), tmp_path, *flags)


def test_a_data_set_without_a_declared_size_has_no_verdict(
    experiment, judged, tmp_path
):
    reason, _ = again(
        experiment, judged, tmp_path, "--full", default_is_full={}, full={"x": {}}
    )
    assert "digits" in reason
    reason, _ = again(
        experiment, judged, tmp_path / "b", default_is_full={}, full={"digits": {}}
    )
    assert "--full" in reason


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaterConfig(digits_experiment.Config):
    warmup: int = flag(0, "a flag that is added after a study began", low=0)


def test_a_flag_added_later_changes_no_study_at_its_default(
    experiment, judged, tmp_path
):
    directory = tmp_path / "study"
    shutil.copytree(judged, directory)
    later = experiment._replace(config=LaterConfig)
    before = {p: p.read_bytes() for p in directory.glob("*/timing.jsonl")}
    for _ in range(2):
        run(later, directory)
        assert before == {p: p.read_bytes() for p in directory.glob("*/timing.jsonl")}
        assert why(directory) == ""
        assert "warmup" not in read_spec(directory).fixed
    with user_error("settings-differ", "--warmup=3", "--workdir"):
        run(later, directory, "--warmup=3")


def test_a_constant_of_the_rule_is_part_of_it(monkeypatch):
    study = digits_experiment.STUDY._replace(rule=wider_by_margin)
    before = rule_hash(study)
    assert "MARGIN = 0.0\n" in rule_text(study)
    monkeypatch.setitem(globals(), "MARGIN", 0.5)
    assert rule_hash(study) != before
    assert rule_hash(study._replace(tune_seeds=5)) != rule_hash(study)


def test_the_words_of_a_rule_are_no_part_of_its_hash(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    body = "def rule(gap):\n    {}\n    return 'supported' if gap.above({}) else 'no'\n"
    hashes = []
    for name, words, margin in (
        ("one", '"""Above 0."""', 0),
        ("other", '"""The gap is above 0."""  # by the adjusted test', 0),
        ("wider", '"""Above 0."""', 0.1),
    ):
        (tmp_path / f"rule_of_{name}.py").write_text(body.format(words, margin))
        rule = importlib.import_module(f"rule_of_{name}").rule
        hashes.append(rule_hash(digits_experiment.STUDY._replace(rule=rule)))
    assert hashes[0] == hashes[1] != hashes[2]


def test_seeds_of_two_scripts_have_no_common_verdict(experiment, judged, tmp_path):
    directory = tmp_path / "study"
    shutil.copytree(judged, directory)
    run(experiment._replace(task_sha256="another"), directory, "--seeds=10")
    assert "script" in why(directory)


SCRIPT = '''
"""Words."""
STUDY = 1
WIDTH = 3
def rule(a):
    return a
def task(config, source, numbers):
    """Words."""
    return config.x + WIDTH  # a comment
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Words", "Other words", True),
        ("STUDY = 1", "STUDY = 2", True),
        ("return a\n", "return b\n", True),
        ("  # a comment", "", True),
        ("WIDTH = 3", "WIDTH = 4", False),
        ("config.x", "config.y", False),
    ],
)
def test_task_hash_covers_code_that_computes(old, new, same):
    changed = SCRIPT.replace(old, new)
    assert changed != SCRIPT
    assert (task_hash(SCRIPT, "rule") == task_hash(changed, "rule")) == same


def test_other_settings_than_declared_have_no_verdict(experiment, tmp_path):
    run(experiment, tmp_path / "rate", "--learning_rate=0.3", "--log_every=7")
    reason = why(tmp_path / "rate")
    assert "learning_rate=0.3" in reason
    assert "0.01" in reason
    assert "log_every" not in reason
    run(experiment, tmp_path / "seed", "--seed=5")
    assert "seed=5" in why(tmp_path / "seed")


def test_verdicts_and_tuning_share_no_seed(experiment, tmp_path):
    with user_error("flag-out-of-range", "--seeds", "1000000"):
        run(experiment, tmp_path, "--seed=999995")


def test_a_reduced_report_names_the_verdict_it_replaces(experiment, judged, tmp_path):
    reason, lines = again(experiment, judged, tmp_path, "--width=16")
    assert "width=0" in reason
    command = read_spec(judged).command
    assert any("undecided" in line and command in line for line in lines)


def test_trials_of_other_environments_are_noted(experiment, judged, tmp_path):
    directory = tmp_path / "study"
    shutil.copytree(judged, directory)
    path = next(iter(trials(directory).values())) / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"python": "3.0", "code_sha256": "x"}))
    run(experiment, directory)
    report = json.loads((directory / "report.json").read_text())
    (note,) = report["notes"]
    assert "python" in note
    assert "code" in note
    assert note in (directory / "report.html").read_text()


def test_a_metric_that_the_task_lacks_is_refused(experiment, tmp_path):
    study = experiment.study._replace(primary_metric="acuracy")
    wrong = experiment._replace(study=study)
    with user_error("metric-not-measured", "acuracy", "accuracy"):
        run(wrong, tmp_path)


def test_a_hook_that_fails_ends_itself_alone(experiment, tmp_path):
    def log(directory, rows):
        raise RuntimeError("nobody listens")

    lines = run(experiment._replace(log=log), tmp_path, "--width=0", "--seeds=2")
    assert sum("nobody listens" in line for line in lines) == 1
    assert len(trials(tmp_path)) == 1


def test_failed_runs_are_counted(experiment, tmp_path):
    study = experiment.study._replace(
        vmapped_factors=(), factors={"learning_rate": (0.01, 1e38)}
    )
    study = study._replace(contrasts={"wider": ("1e+38", "0.01")})
    run(experiment._replace(study=study), tmp_path, code=FAILED_RUNS)
    reason = why(tmp_path)
    assert "8" in reason
    assert "1e+38" in reason
    report = json.loads((tmp_path / "report.json").read_text())
    assert [row["seed"] for row in report["failed"]] == [*range(8)]
