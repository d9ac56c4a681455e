"""A study whose processes are killed repeatedly has the results of one never killed."""

import os
import random
import signal
import subprocess
import sys
import time

import digits_experiment
import pytest

from dljax.errors import DONE

KILLS = 5
SLOW = ("--steps=1500", "--save_every_secs=0.2")
STARTING_SECS = 2.0


def start(directory, *more):
    words = [digits_experiment.__file__, f"--workdir={directory}", *SLOW, *more]
    return subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


JOBS = ("--jobs=2", "--retries=5")


@pytest.mark.long
@pytest.mark.parametrize("more", [(), JOBS], ids=["one", "jobs"])
def test_killed_study_has_identical_results(tmp_path, more):
    """Kills all processes of a tuned study of 3 x 2 variants and 8 seeds five times."""
    start_time = time.monotonic()
    whole = start(tmp_path / "whole")
    output = whole.communicate()[0]
    assert whole.returncode == DONE, output
    secs = time.monotonic() - start_time
    rng = random.Random(len(more))
    for _ in range(KILLS):
        process = start(tmp_path / "killed", *more)
        time.sleep(STARTING_SECS + rng.random() * secs / (KILLS + 3))
        assert process.poll() is None, "finished before it was killed"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    process = start(tmp_path / "killed", *more)
    output = process.communicate()[0]
    assert process.returncode == DONE, output
    for file in ("results.csv", "report.json"):
        expected = (tmp_path / "whole" / file).read_bytes()
        assert (tmp_path / "killed" / file).read_bytes() == expected
