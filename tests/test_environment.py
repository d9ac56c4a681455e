"""A full or read-only disk, damage between runs: one line each, nothing lost."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
from study_fixtures import assert_equal_trees, run, trials
from user_errors import check_error

import dljax
from dljax.errors import DAMAGED_DATA, DISK, FAILED_RUNS, PREEMPTED, UserError
from dljax.training import cost
from dljax.trials import checkpoint
from dljax.trials.trial import status

SHORT = ("--family=gan", "--seeds=1", "--steps=60", "--log_every=10")
OFTEN = "--save_every_secs=0"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, experiment):
    directory = tmp_path_factory.mktemp("whole")
    run(experiment, directory, *SHORT)
    return directory


def mount(directory, options):
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(directory)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount a file system here")


@pytest.fixture
def small_disk(tmp_path):
    mount(tmp_path / "disk", "size=3m")
    yield tmp_path / "disk"
    subprocess.run(["umount", "-l", str(tmp_path / "disk")], check=True)


def stop_after(calls):
    """A `stop` that says yes from its so-manieth call on."""
    left = iter(range(calls))
    return lambda: next(left, None) is None


def half(experiment, directory, calls=6, short=SHORT):
    """Leaves a half done trial there; returns its directory."""
    run(experiment, directory, *short, OFTEN, stop=stop_after(calls), code=PREEMPTED)
    (config,) = directory.glob("*/config.json")
    assert status(config.parent).kind == "half done"
    return config.parent


def refusal(experiment, directory, *arguments):
    with pytest.raises(UserError) as raised:
        run(experiment, directory, *arguments)
    assert "\n" not in str(raised.value)
    return raised.value


def test_a_full_disk_keeps_what_was_saved(small_disk, whole, experiment, capfd):
    trial = half(experiment, small_disk / "work")
    step = status(trial).step
    free = shutil.disk_usage(small_disk).free
    (small_disk / "filler").write_bytes(b"0" * (free - 60_000))
    error = refusal(experiment, small_disk / "work", *SHORT, OFTEN)
    assert error.code == DISK
    assert str(small_disk / "work") in str(error)
    assert "No space left" in str(error)
    assert "MB are free; make room" in str(error)
    said = capfd.readouterr().err
    assert "ERROR" not in said
    assert "Traceback" not in said
    assert not list(small_disk.rglob("*.orbax-checkpoint-tmp*"))
    assert not list(small_disk.rglob("*.part"))
    kept = checkpoint.read(trial / "checkpoints", log=pytest.fail)
    assert kept.step >= step
    (small_disk / "filler").unlink()
    run(experiment, small_disk / "work", *SHORT)
    assert_equal(small_disk / "work", whole)


def assert_equal(directory, whole):
    (a,), (b,) = (list(trials(d).values()) for d in (directory, whole))
    assert (a / "metrics.jsonl").read_bytes() == (b / "metrics.jsonl").read_bytes()
    one, two = (dljax.load(str(d)) for d in (a, b))
    assert_equal_trees(one.program.to_host(one.state), two.program.to_host(two.state))


def command(directory):
    return [
        *(sys.executable, "-m", "experiments.cnn_vs_mlp", "--smoke"),
        f"--workdir={directory}",
    ]


@pytest.fixture
def read_only(tmp_path):
    """A directory that cannot be written, by mount or else by permissions."""
    directory = tmp_path / "read_only"
    if os.geteuid() == 0:
        mount(directory, "ro")
        yield directory
        subprocess.run(["umount", "-l", str(directory)], check=True)
    else:
        directory.mkdir(mode=0o555)
        yield directory


def test_a_read_only_directory_is_refused_at_once(read_only):
    assert_refused_at_once(read_only / "work", "Read-only file system")


def test_a_file_where_the_directory_should_be_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    assert_refused_at_once(tmp_path / "file", "File exists")
    assert_refused_at_once(tmp_path / "file" / "below", "Not a directory")


def assert_refused_at_once(directory, reason):
    begun = time.monotonic()
    done = subprocess.run(command(directory), capture_output=True, text=True)
    assert time.monotonic() - begun < 5
    assert done.returncode == DISK
    (line,) = done.stderr.splitlines()
    assert f"--workdir={directory}" in line
    assert reason in line or "Permission denied" in line


def test_a_relative_path_is_as_good_as_an_absolute_one(
    tmp_path, monkeypatch, experiment
):
    monkeypatch.chdir(tmp_path)
    run(experiment, pathlib.Path("here"), *SHORT[:2], "--steps=2")
    (trial,) = trials(tmp_path / "here").values()
    assert dljax.load(str(trial.relative_to(tmp_path))).step == 2


@pytest.mark.parametrize("kept", ["whole", "damaged"])
def test_operations_are_counted_again_only_where_need_be(
    tmp_path, experiment, monkeypatch, kept
):
    path = half(experiment, tmp_path) / "manifest.json"
    page = json.loads(path.read_text())
    flops = page["flops_per_update"]
    monkeypatch.setattr(cost, "count_flops", lambda *args: flops + 1)
    if kept == "damaged":
        path.write_text(json.dumps(page | {"flops_per_update": "many"}))
    run(experiment, tmp_path, *SHORT)
    again = json.loads(path.read_text())["flops_per_update"]
    assert again == flops + (kept == "damaged")


def test_a_lost_end_of_the_log_costs_a_checkpoint(tmp_path, whole, experiment):
    trial = half(experiment, tmp_path / "work")
    newest, before = checkpoint.steps(trial / "checkpoints")
    log = trial / "metrics.jsonl"
    page = json.loads(
        (trial / f"checkpoints/{before:08d}/metadata/metadata").read_text()
    )
    log.write_bytes(log.read_bytes()[: page["metrics"]["bytes"]])
    said = run(experiment, tmp_path / "work", *SHORT)
    if page["metrics"]["bytes"] < _vouched(trial, newest):
        assert any("metrics.jsonl" in line for line in said)
        assert f"gan: resuming at step {before} of 60" in said
    assert_equal(tmp_path / "work", whole)


def _vouched(trial, step):
    for folder in ("checkpoints", "damaged"):
        path = trial / folder / f"{step:08d}/metadata/metadata"
        if path.is_file():
            return json.loads(path.read_text())["metrics"]["bytes"]
    return 0


def test_a_log_that_no_checkpoint_knows_is_refused_by_name(tmp_path, experiment):
    trial = half(experiment, tmp_path)
    raw = bytearray((trial / "metrics.jsonl").read_bytes())
    raw[20] ^= 1
    (trial / "metrics.jsonl").write_bytes(raw)
    for _ in range(2):
        error = refusal(experiment, tmp_path, *SHORT)
        names = (trial, "metrics.jsonl")
        check_error(error, "no-usable-checkpoint", *names, code=FAILED_RUNS)
    raw[20] ^= 1
    (trial / "metrics.jsonl").write_bytes(raw)
    said = run(experiment, tmp_path, *SHORT)
    assert any("resuming at step" in line for line in said)


def test_metrics_that_changed_after_the_end_are_refused(tmp_path, whole, experiment):
    shutil.copytree(whole, tmp_path / "work")
    (trial,) = trials(tmp_path / "work").values()
    with open(trial / "metrics.jsonl", "a") as file:
        file.write("{}\n")
    error = refusal(experiment, tmp_path / "work", *SHORT)
    assert error.code == DAMAGED_DATA
    assert str(trial / "metrics.jsonl") in str(error)


def test_damaged_checkpoints_of_a_run_cost_no_bit(tmp_path, whole, experiment):
    trial = half(experiment, tmp_path / "work", calls=9)
    newest, before = checkpoint.steps(trial / "checkpoints")
    for path in (trial / f"checkpoints/{newest:08d}").rglob("*"):
        if path.is_file():
            raw = bytearray(path.read_bytes())
            raw[len(raw) // 2] ^= 1
            path.write_bytes(raw)
    said = run(experiment, tmp_path / "work", *SHORT)
    assert f"gan: resuming at step {before} of 60" in said
    assert any(str(trial / "damaged") in line for line in said)
    assert_equal(tmp_path / "work", whole)


def test_a_network_that_changed_is_refused_by_leaf(tmp_path, experiment, monkeypatch):
    import families

    short = (*SHORT, "--family=seq2seq", "--seeds=2")
    trial = half(experiment, tmp_path, short=short)
    monkeypatch.setattr(families, "VOCABULARY", 7)
    monkeypatch.setattr(families, "FAMILIES", {"seq2seq": _same_data(families)})
    error = refusal(experiment, tmp_path, *short)
    name = "state.params.net.head.kernel"
    assert f"{name}: saved float32 (2, 16, 6), now float32 (2, 16, 7)" in str(error)
    assert not (trial / "damaged").exists()


def _same_data(families):
    source = families.seq2seq().source
    return lambda: families.seq2seq()._replace(source=source)


def test_a_study_tells_what_is_there(tmp_path, whole, experiment):
    shutil.copytree(whole, tmp_path / "work")
    said = run(experiment, tmp_path / "work", *SHORT)
    assert said[0].endswith(f"runs in {tmp_path / 'work'}: 1 done")
    assert any(line.startswith("gan: done already") for line in said)
    (trial,) = trials(tmp_path / "work").values()
    (trial / "DONE").unlink()
    said = run(experiment, tmp_path / "work", *SHORT)
    assert said[0].endswith("1 half done")
    assert "gan: resuming at step 60 of 60" in said
    said = run(experiment, tmp_path / "work", "--family=seq2seq", *SHORT[1:])
    assert said[0].endswith("1 new")
    assert any(line.startswith("1 more there, of other flags") for line in said)


def test_one_trial_alone_writes_no_study(tmp_path, whole, experiment):
    both = ("--family=seq2seq,gan", *SHORT[1:])
    (name,) = trials(whole)
    said = run(experiment, tmp_path, *both, f"--trial={name}")
    assert list(trials(tmp_path)) == [name]
    assert not (tmp_path / "study.json").exists()
    assert any(line.startswith("gan: finished") for line in said)
    said = run(experiment, tmp_path, *both)
    assert said[0].endswith("1 new, 1 done")
    error = refusal(experiment, tmp_path, *both, f"--trial={name}x")
    assert f"did you mean {name}?" in str(error)


def test_a_study_that_never_began_fixes_nothing(tmp_path, experiment):
    refusal(experiment, tmp_path, *SHORT, "--batch_size=5000")
    run(experiment, tmp_path, *SHORT)


def test_a_device_without_memory_is_one_line(tmp_path, experiment, monkeypatch):
    import jax

    from dljax.training import loop

    def full(*_, **__):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")

    monkeypatch.setattr(loop, "warm_up", full)
    error = refusal(experiment, tmp_path, *SHORT)
    assert error.code == FAILED_RUNS
    assert "--batch_size" in str(error)


def test_two_launchers_are_one_too_many(tmp_path, experiment):
    from dljax.errors import LOCKED
    from dljax.trials.lock import locked

    with locked(tmp_path, break_lock=False, log=print):
        error = refusal(experiment, tmp_path, *SHORT)
    assert error.code == LOCKED
    assert f"process {os.getpid()}" in str(error)
