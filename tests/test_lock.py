"""One writer a directory."""

import json
import os
import platform
import subprocess
import sys

import psutil
import pytest

from dljax.errors import LOCKED, UserError
from dljax.trials.lock import locked

HOLD = """
import pathlib, sys, time
from dljax.trials.lock import locked
with locked(pathlib.Path(sys.argv[1]), break_lock=False, log=print):
    print("held", flush=True)
    time.sleep(60)
"""


def take(directory, **options):
    said = []
    options = {"break_lock": False, "log": said.append, **options}
    with locked(directory, **options):
        holder = json.loads((directory / "LOCK").read_text())
    return holder, said


def holder(directory, **page):
    page = {"host": platform.node(), "pid": os.getpid(), **page}
    (directory / "LOCK").write_text(json.dumps(page))


def refusal(directory):
    with pytest.raises(UserError) as raised:
        take(directory)
    assert raised.value.code == LOCKED
    assert "--break_lock" in str(raised.value)
    assert str(directory) in str(raised.value)
    return str(raised.value)


def test_a_lock_names_its_holder_and_is_gone_afterwards(tmp_path):
    page, said = take(tmp_path)
    assert (page["host"], page["pid"]) == (platform.node(), os.getpid())
    assert not said
    assert not (tmp_path / "LOCK").exists()
    take(tmp_path)


def test_a_live_process_keeps_its_lock_until_it_dies(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "held\n"
        assert f"process {process.pid} on {platform.node()}" in refusal(tmp_path)
        process.kill()
    page, said = take(tmp_path)
    assert page["pid"] == os.getpid()
    assert f"taken over from process {process.pid}" in said[0]


def test_live_pid_holds_lock_without_flock(tmp_path):
    holder(tmp_path, pid=os.getppid())
    assert f"process {os.getppid()}" in refusal(tmp_path)


def test_dead_pid_of_this_host_releases_lock(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    holder(tmp_path, pid=gone.pid)
    assert "which is gone" in take(tmp_path)[1][0]


def test_reused_pid_releases_lock(tmp_path):
    parent = psutil.Process(os.getppid())
    holder(tmp_path, pid=parent.pid, started=parent.create_time() - 100)
    assert "which is gone" in take(tmp_path)[1][0]
    holder(tmp_path, pid=parent.pid, started=parent.create_time())
    refusal(tmp_path)


def test_lock_of_another_host_holds_until_broken(tmp_path):
    holder(tmp_path, host="elsewhere", pid=7)
    assert "process 7 on elsewhere" in refusal(tmp_path)
    page, said = take(tmp_path, break_lock=True)
    assert page["pid"] == os.getpid()
    assert "broken; it was of process 7 on elsewhere" in said[0]


def test_requeued_slurm_job_takes_its_lock(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "41")
    holder(tmp_path, host="elsewhere", pid=7, job="40")
    assert "process 7 on elsewhere" in refusal(tmp_path)
    holder(tmp_path, host="elsewhere", pid=7, job="41")
    page, said = take(tmp_path)
    assert page["job"] == "41"
    assert "taken over from process 7 on elsewhere" in said[0]
    monkeypatch.delenv("SLURM_JOB_ID")
    holder(tmp_path, host="elsewhere", pid=7, job=None)
    refusal(tmp_path)


def test_owner_of_broken_lock_keeps_the_new_one(tmp_path):
    with locked(tmp_path, break_lock=False, log=print):
        with locked(tmp_path, break_lock=True, log=print):
            inner = (tmp_path / "LOCK").read_bytes()
        (tmp_path / "LOCK").write_bytes(inner)
    assert (tmp_path / "LOCK").read_bytes() == inner


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 3}'])
def test_an_unreadable_lock_holds_nothing_or_is_refused(tmp_path, text):
    (tmp_path / "LOCK").write_text(text)
    if text == '{"host": 3}':  # of some host, at any rate not of this one
        refusal(tmp_path)
    else:
        take(tmp_path)
