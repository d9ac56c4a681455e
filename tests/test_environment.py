"""A full or read-only disk, or damage between runs: one line, and nothing is lost."""

import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
from study_fixtures import assert_equal_trees, run, trials
from user_errors import check_stderr, user_error

import dljax
from dljax.errors import DAMAGED_DATA, DISK, FAILED_RUNS, LOCKED, PREEMPTED
from dljax.training import cost
from dljax.trials import checkpoint
from dljax.trials.lock import locked
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
    """A `stop` that returns True after this number of calls."""
    left = iter(range(calls))
    return lambda: next(left, None) is None


def half(experiment, directory, calls=6, short=SHORT):
    """Trains half of a trial in a study's directory; returns the trial's directory."""
    run(experiment, directory, *short, OFTEN, stop=stop_after(calls), code=PREEMPTED)
    (config,) = directory.glob("*/config.json")
    assert status(config.parent).kind == "half done"
    return config.parent


def last_start(trial):
    """The step at which the trial was last started."""
    line = (trial / "timing.jsonl").read_text().splitlines()[-1]
    return json.loads(line)["from_step"]


def test_a_full_disk_keeps_what_was_saved(small_disk, whole, experiment, capfd):
    trial = half(experiment, small_disk / "work")
    step = status(trial).step
    free = shutil.disk_usage(small_disk).free
    (small_disk / "filler").write_bytes(b"0" * (free - 60_000))
    names = (small_disk / "work", os.strerror(errno.ENOSPC), "MB")
    with user_error("disk-error", *names, code=DISK):
        run(experiment, small_disk / "work", *SHORT, OFTEN)
    stderr = capfd.readouterr().err
    assert "ERROR" not in stderr
    assert "Traceback" not in stderr
    assert not list(small_disk.rglob("*.orbax-checkpoint-tmp*"))
    assert not list(small_disk.rglob("*.part"))
    newest = checkpoint.read(trial / "checkpoints", log=pytest.fail)
    assert newest.step >= step
    (small_disk / "filler").unlink()
    run(experiment, small_disk / "work", *SHORT)
    assert_equal(small_disk / "work", whole)


def assert_equal(directory, whole):
    (a,), (b,) = (list(trials(d).values()) for d in (directory, whole))
    assert (a / "metrics.jsonl").read_bytes() == (b / "metrics.jsonl").read_bytes()
    x, y = (dljax.load(str(d)) for d in (a, b))
    assert_equal_trees(x.program.to_host(x.state), y.program.to_host(y.state))


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
    assert_refused_at_once(read_only / "work", errno.EROFS, errno.EACCES)


def test_a_file_where_the_directory_should_be_is_refused_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    assert_refused_at_once(tmp_path / "file", errno.EEXIST)
    assert_refused_at_once(tmp_path / "file" / "below", errno.ENOTDIR)


def assert_refused_at_once(directory, *errnos):
    start = time.monotonic()
    done = subprocess.run(command(directory), capture_output=True, text=True)
    assert time.monotonic() - start < 5
    assert done.returncode == DISK
    (line,) = done.stderr.splitlines()
    check_stderr(line, "directory-not-writable", f"--workdir={directory}")
    assert any(os.strerror(number) in line for number in errnos)


def test_a_relative_path_is_as_good_as_an_absolute_one(
    tmp_path, monkeypatch, experiment
):
    monkeypatch.chdir(tmp_path)
    run(experiment, pathlib.Path("here"), *SHORT[:2], "--steps=2")
    (trial,) = trials(tmp_path / "here").values()
    assert dljax.load(str(trial.relative_to(tmp_path))).step == 2


@pytest.mark.parametrize("damaged", [pytest.param(False, marks=pytest.mark.long), True])
def test_flops_are_counted_again_only_if_they_are_unknown(
    tmp_path, experiment, monkeypatch, damaged
):
    path = half(experiment, tmp_path) / "manifest.json"
    record = json.loads(path.read_text())
    flops = record["flops_per_update"]
    monkeypatch.setattr(cost, "count_flops", lambda *args: flops + 1)
    if damaged:
        path.write_text(json.dumps(record | {"flops_per_update": "many"}))
    run(experiment, tmp_path, *SHORT)
    again = json.loads(path.read_text())["flops_per_update"]
    assert again == flops + damaged


@pytest.mark.long
def test_a_lost_end_of_the_log_costs_a_checkpoint(tmp_path, whole, experiment):
    trial = half(experiment, tmp_path / "work")
    newest, before = checkpoint.steps(trial / "checkpoints")
    log = trial / "metrics.jsonl"
    length, longer = (_log_length(trial, step) for step in (before, newest))
    log.write_bytes(log.read_bytes()[:length])
    lines = run(experiment, tmp_path / "work", *SHORT)
    if length < longer:
        assert any("metrics.jsonl" in line for line in lines)
        assert last_start(trial) == before
    assert_equal(tmp_path / "work", whole)


def _log_length(trial, step):
    """The bytes of metrics.jsonl at a checkpoint."""
    path = trial / f"checkpoints/{step:08d}/metadata/metadata"
    return json.loads(path.read_text())["metrics"]["bytes"]


@pytest.mark.long
def test_a_log_that_matches_no_checkpoint_is_refused(tmp_path, experiment):
    trial = half(experiment, tmp_path)
    raw = bytearray((trial / "metrics.jsonl").read_bytes())
    raw[20] ^= 1
    (trial / "metrics.jsonl").write_bytes(raw)
    step = status(trial).step
    for _ in range(2):
        names = (trial, "metrics.jsonl")
        with user_error("no-usable-checkpoint", *names, code=FAILED_RUNS):
            run(experiment, tmp_path, *SHORT)
    raw[20] ^= 1
    (trial / "metrics.jsonl").write_bytes(raw)
    run(experiment, tmp_path, *SHORT)
    assert last_start(trial) == step


def test_metrics_that_changed_after_the_end_are_refused(tmp_path, whole, experiment):
    shutil.copytree(whole, tmp_path / "work")
    (trial,) = trials(tmp_path / "work").values()
    with open(trial / "metrics.jsonl", "a") as file:
        file.write("{}\n")
    names = (trial / "metrics.jsonl", f"dljax replay {trial}")
    with user_error("damaged-metrics", *names, code=DAMAGED_DATA):
        run(experiment, tmp_path / "work", *SHORT)


def test_damaged_checkpoints_of_a_run_cost_no_bit(tmp_path, whole, experiment):
    trial = half(experiment, tmp_path / "work", calls=9)
    newest, before = checkpoint.steps(trial / "checkpoints")
    for path in (trial / f"checkpoints/{newest:08d}").rglob("*"):
        if path.is_file():
            raw = bytearray(path.read_bytes())
            raw[len(raw) // 2] ^= 1
            path.write_bytes(raw)
    lines = run(experiment, tmp_path / "work", *SHORT)
    assert last_start(trial) == before
    assert any(str(trial / "damaged") in line for line in lines)
    assert_equal(tmp_path / "work", whole)


def test_a_network_that_changed_is_refused_by_leaf(tmp_path, experiment, monkeypatch):
    import families

    short = (*SHORT, "--family=seq2seq", "--seeds=2")
    trial = half(experiment, tmp_path, short=short)
    monkeypatch.setattr(families, "VOCABULARY", 7)
    monkeypatch.setattr(families, "FAMILIES", {"seq2seq": _same_data(families)})
    shapes = ("float32 (2, 16, 6)", "float32 (2, 16, 7)")
    with user_error("checkpoint-differs", "state.params.net.head.kernel", *shapes):
        run(experiment, tmp_path, *short)
    assert not (trial / "damaged").exists()


def _same_data(families):
    source = families.seq2seq().source
    return lambda: families.seq2seq()._replace(source=source)


def test_finished_trials_are_skipped_and_half_done_ones_resumed(
    tmp_path, whole, experiment
):
    shutil.copytree(whole, tmp_path / "work")
    (trial,) = trials(tmp_path / "work").values()
    timing = (trial / "timing.jsonl").read_bytes()
    lines = run(experiment, tmp_path / "work", *SHORT)
    assert any(str(tmp_path / "work") in line for line in lines)
    assert (trial / "timing.jsonl").read_bytes() == timing
    (trial / "DONE").unlink()
    run(experiment, tmp_path / "work", *SHORT)
    assert last_start(trial) == 60
    timing = (trial / "timing.jsonl").read_bytes()
    run(experiment, tmp_path / "work", "--family=seq2seq", *SHORT[1:])
    assert len(trials(tmp_path / "work")) == 2
    assert (trial / "timing.jsonl").read_bytes() == timing


def test_one_trial_alone_writes_no_study(tmp_path, whole, experiment):
    both = ("--family=seq2seq,gan", *SHORT[1:])
    (name,) = trials(whole)
    run(experiment, tmp_path, *both, f"--trial={name}")
    assert list(trials(tmp_path)) == [name]
    assert not (tmp_path / "study.json").exists()
    timing = (tmp_path / name / "timing.jsonl").read_bytes()
    run(experiment, tmp_path, *both)
    assert len(trials(tmp_path)) == 2
    assert (tmp_path / name / "timing.jsonl").read_bytes() == timing
    with user_error("unknown-trial", f"--trial={name}x", f"{name}?", "--plan"):
        run(experiment, tmp_path, *both, f"--trial={name}x")


def test_a_study_that_never_started_fixes_nothing(tmp_path, experiment):
    with user_error("batch-too-large", "--batch_size"):
        run(experiment, tmp_path, *SHORT, "--batch_size=5000")
    run(experiment, tmp_path, *SHORT)


def test_a_device_without_memory_is_one_line(tmp_path, experiment, monkeypatch):
    import jax

    from dljax.training import loop

    def full(*_, **__):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating")

    monkeypatch.setattr(loop, "warm_up", full)
    with user_error("out-of-device-memory", "--batch_size", code=FAILED_RUNS):
        run(experiment, tmp_path, *SHORT)


def test_a_second_launcher_is_refused(tmp_path, experiment):
    names = (tmp_path, os.getpid(), "--break_lock")
    with (
        locked(tmp_path, break_lock=False, log=print),
        user_error("locked", *names, code=LOCKED),
    ):
        run(experiment, tmp_path, *SHORT)
