"""One writer per directory."""

import json
import os
import platform
import subprocess
import sys

import psutil
import pytest
from user_errors import user_error

from dljax.errors import LOCKED
from dljax.trials.lock import locked

HOLD = """
import pathlib, sys, time
from dljax.trials.lock import locked
with locked(pathlib.Path(sys.argv[1]), break_lock=False, log=print):
    print("held", flush=True)
    time.sleep(60)
"""


def take(directory, **options):
    """(content of the lock while it is held, logged lines)."""
    lines = []
    options = {"break_lock": False, "log": lines.append, **options}
    with locked(directory, **options):
        record = json.loads((directory / "LOCK").read_text())
    return record, lines


def write_lock(directory, **record):
    record = {"host": platform.node(), "pid": os.getpid(), **record}
    (directory / "LOCK").write_text(json.dumps(record))


def check_refused(directory, *names):
    with user_error("locked", directory, "--break_lock", *names, code=LOCKED):
        take(directory)


def test_a_lock_names_its_holder_and_is_gone_afterwards(tmp_path):
    record, lines = take(tmp_path)
    assert (record["host"], record["pid"]) == (platform.node(), os.getpid())
    assert not lines
    assert not (tmp_path / "LOCK").exists()
    take(tmp_path)


def test_a_live_process_keeps_its_lock_until_it_dies(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "held\n"
        check_refused(tmp_path, process.pid, platform.node())
        process.kill()
    record, lines = take(tmp_path)
    assert record["pid"] == os.getpid()
    assert str(process.pid) in lines[0]


def test_live_pid_holds_lock_without_flock(tmp_path):
    write_lock(tmp_path, pid=os.getppid())
    check_refused(tmp_path, os.getppid())


def test_dead_pid_of_this_host_releases_lock(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    write_lock(tmp_path, pid=gone.pid)
    assert str(gone.pid) in take(tmp_path)[1][0]


def test_reused_pid_releases_lock(tmp_path):
    parent = psutil.Process(os.getppid())
    write_lock(tmp_path, pid=parent.pid, started=parent.create_time() - 100)
    assert str(parent.pid) in take(tmp_path)[1][0]
    write_lock(tmp_path, pid=parent.pid, started=parent.create_time())
    check_refused(tmp_path)


def test_lock_of_another_host_holds_until_broken(tmp_path):
    write_lock(tmp_path, host="elsewhere", pid=7)
    check_refused(tmp_path, 7, "elsewhere")
    record, lines = take(tmp_path, break_lock=True)
    assert record["pid"] == os.getpid()
    assert "elsewhere" in lines[0]


def test_requeued_slurm_job_takes_its_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    write_lock(tmp_path, host="elsewhere", pid=7, job="40")
    check_refused(tmp_path, 7, "elsewhere")
    write_lock(tmp_path, host="elsewhere", pid=7, job="41")
    record, lines = take(tmp_path)
    assert record["job"] == "41"
    assert "elsewhere" in lines[0]
    monkeypatch.delenv("SLURM_JOB_ID")
    write_lock(tmp_path, host="elsewhere", pid=7, job=None)
    check_refused(tmp_path)


def test_owner_of_broken_lock_keeps_the_new_one(tmp_path):
    with locked(tmp_path, break_lock=False, log=print):
        with locked(tmp_path, break_lock=True, log=print):
            inner = (tmp_path / "LOCK").read_bytes()
        (tmp_path / "LOCK").write_bytes(inner)
    assert (tmp_path / "LOCK").read_bytes() == inner


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 3}'])
def test_an_unreadable_lock_holds_nothing_or_is_refused(tmp_path, text):
    (tmp_path / "LOCK").write_text(text)
    if text == '{"host": 3}':  # a host other than this one
        check_refused(tmp_path)
    else:
        take(tmp_path)
