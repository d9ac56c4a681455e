"""`dljax record`: the file of a finished study, and the studies that it refuses."""

import dataclasses
import json
import pathlib

import digits_experiment
import pytest
from user_errors import user_error

from dljax.commands import record
from dljax.errors import DONE, FAILED_RUNS
from dljax.studies import recorded_results
from dljax.studies.experiment import import_experiment
from dljax.studies.recording import recompute, shown_metrics
from dljax.studies.rule import rule_hash
from dljax.studies.study_spec import StudySpec, TrialEntry, write_spec
from dljax.trials import disk

SCRIPT = digits_experiment.__file__
STUDY = import_experiment(SCRIPT).study
VARIANTS = ("0/relu", "16/relu")
ACCURACY = {
    "0/relu": (0.7, 0.71, 0.69, 0.7, 0.72, 0.7, 0.71, 0.69),
    "16/relu": (0.9, 0.92, 0.9, 0.91, 0.93, 0.9, 0.91, 0.92),
}
MANIFEST = {
    "python": "3.11.7",
    "packages": {"dljax": "0.1.0", "jax": "0.10.2", "jaxlib": "0.10.2", "flax": "0.12"},
    "backend": "cpu",
    "visible_cores": 2,
    "processor": "a processor",
    "flags": {"full": False},
}


@pytest.fixture
def study(tmp_path):
    """Writes a study's directory, as the trials would leave it; returns its path."""

    def write(failed=(), rule="", unfinished="", **spec):
        trials = [
            TrialEntry(name, name.replace("/", "-"), (name,)) for name in ACCURACY
        ]
        for entry in trials:
            folder = tmp_path / entry.name
            folder.mkdir()
            rows = [
                {"step": 200, "seed": seed, "variant": entry.label, "split": "test"}
                | {"accuracy": value, "loss": 1 - value}
                for seed, value in enumerate(ACCURACY[entry.label])
            ]
            metrics = folder / "metrics.jsonl"
            metrics.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            hashes = {
                "rule_sha256": rule or rule_hash(STUDY),
                "size_sha256": "s",
                "task_sha256": "t",
            }
            disk.write_json(folder / "manifest.json", MANIFEST | hashes)
            timing = {"began": 1796139194.0, "secs": 90.0}
            (folder / "timing.jsonl").write_text(f"{json.dumps(timing)}\n")
            done = {"metrics_sha256": disk.sha256(metrics), "failed": list(failed)}
            if entry.label != unfinished:
                disk.write_json(folder / "DONE", done)
        declared = StudySpec(
            study="digits_experiment",
            module=SCRIPT,
            dataset="digits",
            fixed={"steps": 200},
            factors={"width": (0, 16), "activation": ("relu",)},
            variants={v: {"width": v.split("/")[0]} for v in VARIANTS},
            seeds=tuple(range(8)),
            seed_batches=(tuple(range(8)),),
            tune={},
            trials=tuple(trials),
            test_train_ratio=0.0,
            shortened=False,
            not_judged_because="",
            rule_sha256=rule_hash(STUDY),
            size_sha256="s",
            command="python digits_experiment.py",
            workdir=str(tmp_path),
        )
        write_spec(tmp_path, dataclasses.replace(declared, **spec))
        return tmp_path

    return write


def test_a_finished_study_is_recorded(study, capsys):
    directory = study()
    out = directory / "out"
    assert record.main([str(directory), f"--out={out}"]) == DONE
    path = out / "digits_experiment-digits.json"
    assert str(path) in capsys.readouterr().out
    result = recorded_results.read(path)
    assert (result.origin, result.verdict, result.why) == ("recorded", "supported", "")
    assert (result.date, result.minutes) == ("2026-12-01", 3.0)
    assert result.hardware == "2 cores of a processor"
    assert result.versions["flax"] == "0.12"
    assert result.spec.fixed == {"steps": 200}
    for variant, values in ACCURACY.items():
        assert tuple(result.values(variant, "accuracy").values()) == values
    assert [row.metrics.keys() for row in result.variants] == [{"accuracy"}] * 2
    (contrast,) = result.contrasts
    assert contrast.name == "wider"
    assert contrast.difference == pytest.approx(0.20875)


def check_equal(now, recorded):
    """Contrasts are equal, up to the rounding of the values that they come from."""
    assert [(c.name, c.a, c.b) for c in now] == [(c.name, c.a, c.b) for c in recorded]
    for key in ("difference", "ci_low", "simultaneous_low", "simultaneous_high", "p"):
        values = [getattr(c, key) for c in recorded]
        assert [getattr(c, key) for c in now] == pytest.approx(values, 1e-3, 1e-5)


def test_the_values_of_a_record_give_its_contrasts_and_verdict(study):
    directory = study()
    record.main([str(directory), f"--out={directory}"])
    result = recorded_results.read(directory / "digits_experiment-digits.json")
    verdict, contrasts = recompute(STUDY, result)
    assert verdict == result.verdict
    check_equal(contrasts, result.contrasts)


def test_metrics_of_contrasts_and_profiles_are_recorded():
    other = STUDY._replace(contrasts={"wider": ("16/relu@loss", "0/relu@loss")})
    assert shown_metrics(other) == ("accuracy", "loss")


def test_too_few_seeds_for_a_verdict_at_the_declared_size_are_recorded(study):
    directory = study(seeds=(0, 1), seed_batches=((0, 1),))
    record.main([str(directory), f"--out={directory}"])
    result = recorded_results.read(directory / "digits_experiment-digits.json")
    assert (result.verdict, len(result.seeds)) == ("undecided", 2)
    assert result.why
    assert recompute(STUDY, result)[0] == "undecided"


@pytest.mark.parametrize(
    ("changes", "error_id", "names"),
    [
        ({"not_judged_because": "2 of 8 seeds"}, "reduced-study", ["2 of 8 seeds"]),
        (
            {"shortened": True, "not_judged_because": "fewer steps"},
            "reduced-study",
            ["fewer steps", "digits_experiment.py"],
        ),
        ({"unfinished": "16/relu"}, "trial-not-finished", ["16/relu"]),
        ({"rule": "another"}, "rule-changed", ["--workdir"]),
    ],
)
def test_a_study_without_a_verdict_is_refused(study, changes, error_id, names):
    directory = study(**changes)
    with user_error(error_id, directory, *names):
        record.main([str(directory), f"--out={directory}"])
    assert not list(directory.glob("digits_experiment-*.json"))


def test_failed_runs_are_refused(study):
    run = {"variant": "16/relu", "seed": 3, "step": 7, "metric": "loss"}
    directory = study(failed=[run])
    names = ["16/relu", "seed 3", "step 7", "--retry_failed"]
    with user_error("runs-failed", directory, *names, code=FAILED_RUNS):
        record.main([str(directory)])


def test_wrong_arguments_are_refused(tmp_path):
    with user_error("no-such-directory", "nowhere"):
        record.main(["nowhere"])
    with user_error("not-a-study", tmp_path):
        record.main([str(tmp_path)])
    for arguments in ([], ["a", "b"]):
        with user_error("usage", "WORKDIR", "--out"):
            record.main(arguments)
    with user_error("unknown-flag", "--into"):
        record.main(["a", "--into=b"])


def test_recording_again_replaces_the_numbers_and_keeps_the_notes(study):
    directory = study()
    path = directory / "digits_experiment-digits.json"
    record.main([str(directory), f"--out={directory}"])
    first = recorded_results.read(path)
    noted = dataclasses.replace(first, minutes=1.0, notes=("after a look",))
    recorded_results.write(path, noted)
    record.main([str(directory), f"--out={directory}"])
    assert recorded_results.read(path) == dataclasses.replace(
        first, notes=("after a look",)
    )


ROOT = pathlib.Path(__file__).parents[1]
RECORDED = [
    result
    for result in recorded_results.read_all(ROOT / "experiments/results")
    if result.origin == "recorded"
]


@pytest.mark.parametrize("result", RECORDED, ids=lambda result: result.name)
def test_committed_values_give_their_contrasts_and_verdict(result):
    study = import_experiment(f"experiments.{result.experiment}").study
    verdict, contrasts = recompute(study, result)
    assert verdict == result.verdict
    check_equal(contrasts, result.contrasts)
