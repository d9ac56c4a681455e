"""A finished trial is run again and compared with what it left."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from study_fixtures import run, trials
from user_errors import check_stderr, user_error

from dljax.commands import replay
from dljax.errors import DAMAGED_DATA, DONE, FAILED_RUNS, USAGE
from dljax.trials import checkpoint, compare


@pytest.fixture(scope="module")
def study(tmp_path_factory, experiment):
    directory = tmp_path_factory.mktemp("study")
    flags = ("--family=gan", "--steps=30", "--log_every=10")
    run(experiment, directory, *flags)
    return directory


@pytest.fixture
def trial(study, tmp_path):
    shutil.copytree(study, tmp_path / "study")
    (directory,) = trials(tmp_path / "study").values()
    return directory


def again(trial, capsys):
    """(exit code, stdout, warnings on stderr)."""
    code = replay.main([str(trial)])
    printed = capsys.readouterr()
    warnings = [line for line in printed.err.splitlines() if line.startswith("warning")]
    return code, printed.out, "\n".join(warnings)


def test_replay_is_identical_and_changes_nothing(trial, capsys):
    before = {p: p.read_bytes() for p in trial.rglob("*") if p.is_file()}
    code, printed, warnings = again(trial, capsys)
    assert (code, warnings) == (DONE, "")
    assert "identical" in printed
    assert before == {p: p.read_bytes() for p in trial.rglob("*") if p.is_file()}


def test_replay_finds_one_changed_byte(trial, capsys):
    path = trial / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if "critic_loss" in line)
    value = json.loads(lines[at])["critic_loss"]
    digit = str(value)[-1]
    lines[at] = lines[at].replace(
        str(value), str(value)[:-1] + ("1" if digit != "1" else "2"), 1
    )
    path.write_text("".join(lines))
    code, printed, warnings = again(trial, capsys)
    (line,) = (s for s in printed.splitlines() if "critic_loss" in s)
    assert f"row {at + 1} " in line
    assert str(value) in line
    assert "metrics.jsonl" in warnings
    assert compare.WITHIN in printed
    assert code == DONE  # the last digit of a float32
    lines[at] = "x" + lines[at][1:]
    path.write_text("".join(lines))
    code, printed, _ = again(trial, capsys)
    assert code == FAILED_RUNS
    assert compare.DIFFERENT in printed
    assert f"row {at + 1}:" in printed


def test_a_version_in_the_manifest_is_warned_of(trial, capsys):
    path = trial / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["packages"]["optax"] = "0.0.1"
    manifest["visible_cores"] = 64
    manifest["device_kind"] = "TPU v4"
    path.write_text(json.dumps(manifest))
    code, printed, warnings = again(trial, capsys)
    assert code == DONE
    assert compare.IDENTICAL in printed
    lines = warnings.splitlines()
    for name, value in (("optax", "0.0.1"), ("visible_cores", "64")):
        assert any(name in line and value in line for line in lines)
    (line,) = (line for line in lines if "device_kind" in line)
    assert "TPU v4" in line
    assert "cpu" in line


def test_an_array_that_differs_is_named(trial, capsys):
    saved = checkpoint.read(trial / "checkpoints", log=pytest.fail)
    saved.leaves["state.params.critic.Dense_0.kernel"][1, 0, 3] += 1
    shutil.rmtree(trial / "checkpoints")
    saver = checkpoint.Saver(trial / "checkpoints")
    saver.save(saved.step, saved.leaves, {"fixed": saved.metadata["fixed"]})
    saver.wait()
    saver.close()
    code, printed, _ = again(trial, capsys)
    assert code == FAILED_RUNS
    (line,) = (s for s in printed.splitlines() if "critic.Dense_0.kernel" in s)
    assert "1 of 32 " in line
    assert "[1, 0, 3]" in line


def test_other_data_are_refused(trial):
    config = json.loads((trial / "config.json").read_text())
    config["fixed"]["data"][2] = "other"
    (trial / "config.json").write_text(json.dumps(config))
    with user_error("data-changed", trial, "other", code=DAMAGED_DATA):
        replay.main([str(trial)])


def test_an_unfinished_trial_is_refused(trial):
    (trial / "DONE").unlink()
    with user_error("trial-not-finished", trial):
        replay.main([str(trial)])


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], ("usage", "dljax replay")),
        (["a", "b"], ("usage", "dljax replay")),
        (["--nothing=1", "a"], ("unknown-flag", "--nothing", "--help")),
    ],
)
def test_wrong_arguments_are_one_line(arguments, names):
    done = subprocess.run(
        [sys.executable, "-m", "dljax", "replay", *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == USAGE
    assert len(done.stderr.strip().splitlines()) == 1
    check_stderr(done.stderr, *names)


def outcome(a, b):
    return compare.arrays({"x": np.array(a)}, {"x": np.array(b)}).outcome


def test_arrays_are_identical_near_or_different():
    assert outcome([1.0, np.nan], [1.0, np.nan]) == compare.IDENTICAL
    assert outcome([1.0, 2.0], [1.0, 2.0001]) == compare.WITHIN
    assert outcome([1.0, 2.0], [1.0, 2.1]) == compare.DIFFERENT
    assert outcome([1.0, 2.0], [1.0, np.nan]) == compare.DIFFERENT
    assert outcome([1.0, np.inf], [1.0, 2.0]) == compare.DIFFERENT
    assert outcome([1000], [1001]) == compare.DIFFERENT
    assert outcome([True], [False]) == compare.DIFFERENT
    assert outcome([1.0], [1.0, 2.0]) == compare.DIFFERENT
    result = compare.arrays({"x": np.zeros(1)}, {"y": np.zeros(1)})
    assert result.outcome == compare.DIFFERENT


ROW = {"step": 1, "seed": 0, "variant": "a", "split": "train", "loss": 0.5}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, compare.IDENTICAL),
        ({"loss": 0.50001}, compare.WITHIN),
        ({"loss": 0.6}, compare.DIFFERENT),
        ({"loss": None}, compare.DIFFERENT),
        ({"step": 2}, compare.DIFFERENT),
        ({"more": 0.5}, compare.DIFFERENT),
        (None, compare.DIFFERENT),
    ],
)
def test_rows_are_identical_near_or_different(tmp_path, change, expected):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text(json.dumps(ROW) + "\n")
    rows = [ROW, ROW] if change is None else [ROW | change]
    new.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert compare.rows(old, new).outcome == expected
