"""A study as commands, one a trial: printed, or run as processes of their own.

Every command is idempotent: `--trial=NAME` locks that trial's directory only, resumes
it if it is half done, and does nothing if it is done. So whatever runs commands (GNU
parallel, Kubernetes, a queue) runs a study; the study's own command then reports.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dljax.errors import DAMAGED_DATA, DONE, FAILED_RUNS, PREEMPTED, USAGE

FINAL = (DONE, FAILED_RUNS, USAGE, DAMAGED_DATA)  # trying again would change nothing
PARENT = "DLJAX_LAUNCHER"  # a process stops when this one has died
STOP_SECS = 120.0  # that a process gets to save when the launcher is stopped


def commands(study_command: str, trials: Sequence[str], workdir: str) -> dict[str, str]:
    """{trial: its command}, of a study's command."""
    words = shlex.split(study_command)
    if not any(word.startswith("--workdir=") for word in words):
        words.append(f"--workdir={workdir}")
    return {name: shlex.join([*words, f"--trial={name}"]) for name in trials}


def run_all(
    todo: Mapping[str, str],
    *,
    jobs: int,
    retries: int,
    stop: Callable[[], bool],
    show: Any,
) -> int:
    """Runs the commands, `jobs` at a time.

    Exit code 75 is tried again at once; 1, 2 and 66 never; any other (a killed or
    crashed process, a lock) up to `retries` times. A stop is passed on, and waited for.

    Returns:
      the exit code: the worst of the trials', or 75 if stopped.
    """
    waiting, running = list(todo), dict[str, subprocess.Popen]()
    tried = dict.fromkeys(todo, 0)
    worst = DONE
    show.say(f"{len(todo)} trials in up to {jobs} processes at a time")
    while waiting or running:
        if stop():
            _stop(running)
            return PREEMPTED
        while waiting and len(running) < jobs:
            name = waiting.pop(0)
            running[name] = _start(todo[name])
            show.say(f"{name}: process {running[name].pid}")
        time.sleep(0.05)
        for name in [n for n, process in running.items() if process.poll() is not None]:
            code = running.pop(name).returncode
            if code == PREEMPTED:
                waiting.insert(0, name)
            elif code in FINAL or tried[name] == retries:
                worst = worst or (code if code in FINAL else FAILED_RUNS)
                show.say(f"{name}: ended with exit code {code}")
            else:
                tried[name] += 1
                waiting.append(name)
                show.say(f"{name}: exit code {code}; try {tried[name]} of {retries}")
    return worst


def _start(command: str) -> subprocess.Popen:
    words = shlex.split(command)
    return subprocess.Popen(
        [sys.executable, *words[1:]],
        stdout=subprocess.DEVNULL,
        env={**os.environ, PARENT: str(os.getpid())},
    )


def _stop(running: Mapping[str, subprocess.Popen]) -> None:
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    until = time.monotonic() + STOP_SECS
    for process in running.values():
        try:
            process.wait(max(until - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
