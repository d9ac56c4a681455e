"""A study as commands, one a trial: printed, or run as processes or Slurm jobs.

Every command is idempotent: `--trial=NAME` locks that trial's directory only, resumes
it if it is half done, and does nothing if it is done. So whatever runs commands (GNU
parallel, Kubernetes, a queue) runs a study; the study's own command then reports.
"""

import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from dljax.errors import DAMAGED_DATA, DONE, FAILED_RUNS, PREEMPTED, USAGE
from dljax.trials.progress import Progress

FINAL = (DONE, FAILED_RUNS, USAGE, DAMAGED_DATA)  # trying again would change nothing
PARENT = "DLJAX_LAUNCHER"  # a process stops when this one has died
STOP_SECS = 120.0  # that a process gets to save when the launcher is stopped


def commands(
    study_command: str, trials: Sequence[str], workdir: str, also: Sequence[str] = ()
) -> dict[str, str]:
    """{trial: its command}, of a study's command and `also` these flags."""
    _, *words = shlex.split(study_command)
    words = [word for word in words if not word.startswith("--workdir=")]
    words = [
        sys.executable,
        *words,
        f"--workdir={workdir}",
        *(f"--{name}" for name in also),
    ]
    return {name: shlex.join([*words, f"--trial={name}"]) for name in trials}


class Job(Protocol):
    """A command at work."""

    def poll(self) -> int | None:
        """Its exit code, negative a signal's; None while it is at work or waits."""

    def stop(self) -> None:
        """Called when the launcher is stopped; returns when it has saved."""


def start_with(config: Any, directory: pathlib.Path, progress: Progress) -> Any:
    """{trial: command} -> {trial: Job}, by what --launcher asks for."""
    if config.launcher == "slurm":
        from dljax.launch import slurm

        return slurm.starter(config, directory / "slurm", progress)
    return lambda todo: {name: Process(command) for name, command in todo.items()}


def run_all(
    todo: Mapping[str, str],
    start: Callable[[Mapping[str, str]], Mapping[str, Job]],
    *,
    jobs: int,
    retries: int,
    stop: Callable[[], bool],
    progress: Progress,
) -> int:
    """Runs the commands, `jobs` at a time.

    Exit code 75 is tried again at once; 1, 2 and 66 never; any other (a killed or
    crashed process, a lock) up to `retries` times. A stop is passed on, and waited for.

    Returns:
      the exit code: 2 or 66 of the first trial that had it, 1 if others failed, 0; or
      75 if stopped.
    """
    waiting, running = list(todo), dict[str, Job]()
    tried = dict.fromkeys(todo, 0)
    worst = DONE
    progress.log(f"{len(todo)} trials, up to {jobs} at a time")
    while waiting or running:
        if stop():
            for job in running.values():
                job.stop()
            return PREEMPTED
        if now := waiting[: jobs - len(running)]:
            running |= start({name: todo[name] for name in now})
            waiting = waiting[len(now) :]
            for name in now:
                progress.log(f"{name}: {running[name]}")
        time.sleep(0.05)
        for name, job in list(running.items()):
            if (code := job.poll()) is None:
                continue
            del running[name]
            if code == PREEMPTED:
                waiting.insert(0, name)
            elif code in FINAL or tried[name] == retries:
                ended = code if code in FINAL else FAILED_RUNS
                if ended != DONE and worst in (DONE, FAILED_RUNS):
                    worst = ended
                progress.log(f"{name}: ended with exit code {code}")
            else:
                tried[name] += 1
                waiting.append(name)
                progress.log(
                    f"{name}: exit code {code}; try {tried[name]} of {retries}"
                )
    return worst


class Process:
    """A command as a process of this machine, which ends when its launcher does."""

    def __init__(self, command: str):
        words = shlex.split(command)
        self._process = subprocess.Popen(
            [sys.executable, *words[1:]],
            stdout=subprocess.DEVNULL,
            env={**os.environ, PARENT: str(os.getpid())},
        )

    def __str__(self) -> str:
        return f"process {self._process.pid}"

    def poll(self) -> int | None:
        """See `Job`."""
        return self._process.poll()

    def stop(self) -> None:
        """Asks it to save and waits for it; kills it if that takes too long."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
