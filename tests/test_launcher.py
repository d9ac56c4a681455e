"""Trials as processes: the same results, though processes are killed or stopped."""

import csv
import os
import signal
import subprocess
import sys
import time

import families_experiment
import pytest
from conftest import Quiet
from study_fixtures import run

from dljax import cli
from dljax.errors import DAMAGED_DATA, DONE, FAILED_RUNS, PREEMPTED, USAGE
from dljax.launch import processes

SHORT = ("--family=gan,classifier", "--steps=400", "--seeds=2", "--log_every=100")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, experiment):
    directory = tmp_path_factory.mktemp("whole")
    run(experiment, directory, *SHORT)
    return (directory / "results.csv").read_bytes()


def start(directory, *more):
    words = [families_experiment.__file__, *SHORT, f"--workdir={directory}", *more]
    return subprocess.Popen(
        [sys.executable, *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def start_and_wait(directory):
    """Starts a launcher of two processes; returns after a checkpoint was saved."""
    process = start(directory, "--jobs=2", "--save_every_secs=0.1")
    while not any(directory.glob("*/checkpoints/0*")):
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.long
def test_processes_give_the_same_results(tmp_path, whole):
    process = start(tmp_path, "--jobs=2")
    stderr = process.communicate()[1]
    assert process.returncode == DONE, stderr
    assert (tmp_path / "results.csv").read_bytes() == whole


@pytest.mark.long
def test_processes_of_a_killed_launcher_stop_and_its_study_resumes(tmp_path, whole):
    process = start_and_wait(tmp_path)
    process.kill()  # the launcher alone; its processes notice and stop
    process.communicate()
    process = start(tmp_path, "--jobs=2", "--retries=5")
    stderr = process.communicate()[1]
    assert process.returncode == DONE, stderr
    assert (tmp_path / "results.csv").read_bytes() == whole


@pytest.mark.long
def test_a_terminated_launcher_stops_its_processes(tmp_path, whole):
    process = start_and_wait(tmp_path)
    os.killpg(process.pid, signal.SIGTERM)
    stderr = process.communicate()[1]
    assert process.returncode == PREEMPTED, stderr
    assert not list(tmp_path.glob("**/LOCK"))
    process = start(tmp_path)
    process.communicate()
    assert (tmp_path / "results.csv").read_bytes() == whole


@pytest.mark.long
def test_commands_are_printed_and_run_the_study(tmp_path, experiment, capsys, whole):
    run(experiment, tmp_path, *SHORT, "--launcher=commands")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for line in lines:
        subprocess.run(line, shell=True, check=True)
    assert not (tmp_path / "results.csv").exists()
    run(experiment, tmp_path, *SHORT)
    assert (tmp_path / "results.csv").read_bytes() == whole
    with open(tmp_path / "results.csv") as file:
        assert {row["family"] for row in csv.DictReader(file)} == {"gan", "classifier"}


@pytest.mark.parametrize(("launched", "stops"), [(False, False), (True, True)])
def test_only_a_launchers_death_stops_a_run(monkeypatch, launched, stops):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.delenv(processes.PARENT_PID, raising=False)
    if launched:
        monkeypatch.setenv(processes.PARENT_PID, str(os.getppid()))
    stop = cli.stop_on_signals()
    assert not stop()
    monkeypatch.setattr(os, "getppid", lambda: 1)  # the parent has died
    assert stop() == stops


def command(tmp_path, name, text):
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    return f"python {path}"


class Local:
    launcher = "local"


COUNTED = """
import pathlib, sys
path = pathlib.Path(sys.argv[0]).with_suffix(".count")
count = int(path.read_text()) + 1 if path.exists() else 1
path.write_text(str(count))
sys.exit({codes}[min(count, {n}) - 1])
"""


@pytest.mark.parametrize(
    ("codes", "tries", "expected"),
    [
        ([0], 1, DONE),
        ([75, 75, 75, 75, 0], 5, DONE),
        ([139, 0], 2, DONE),
        ([137], 3, FAILED_RUNS),
        ([1], 1, FAILED_RUNS),
        ([2], 1, USAGE),
    ],
)
def test_exit_codes_decide_what_is_tried_again(tmp_path, codes, tries, expected):
    text = COUNTED.format(codes=codes, n=len(codes))
    commands = {"a": command(tmp_path, "a", text)}
    start = processes.start_with(Local(), tmp_path, Quiet())
    code = processes.run_commands(
        commands, start, jobs=1, retries=2, stop=lambda: False, progress=Quiet()
    )
    assert code == expected
    assert int((tmp_path / "a.count").read_text()) == tries


@pytest.mark.parametrize(
    ("codes", "expected"),
    [((1, 0, 66), DAMAGED_DATA), ((66, 1), DAMAGED_DATA), ((1, 0), FAILED_RUNS)],
)
def test_damage_is_reported_before_failed_runs(codes, expected):
    class Ended:
        def __init__(self, code):
            self.poll = lambda: code

    commands = {str(i): str(code) for i, code in enumerate(codes)}
    code = processes.run_commands(
        commands,
        lambda started: {k: Ended(int(code)) for k, code in started.items()},
        jobs=1,
        retries=0,
        stop=lambda: False,
        progress=Quiet(),
    )
    assert code == expected


def test_a_trial_gets_the_flags_of_its_study():
    commands = processes.trial_commands(
        "python -m x --seeds=2", ["a"], "W", ["retry_failed"]
    )
    assert commands["a"].endswith("-m x --seeds=2 --workdir=W --retry_failed --trial=a")
