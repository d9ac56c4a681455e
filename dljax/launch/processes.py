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

FINAL = (DONE, FAILED_RUNS, USAGE, DAMAGED_DATA)  # a retry would change nothing
PARENT_PID = "DLJAX_PARENT_PID"  # in the environment: a process stops with its parent
STOP_SECS = 120.0  # for a process to save after SIGTERM
POLL_SECS = 0.05


def trial_commands(
    study_command: str,
    trials: Sequence[str],
    workdir: str,
    flags: Sequence[str] = (),
) -> dict[str, str]:
    """{trial: its command}: the study's command with these flags and --trial."""
    _, *words = shlex.split(study_command)
    words = [word for word in words if not word.startswith("--workdir=")]
    words = [
        sys.executable,
        *words,
        f"--workdir={workdir}",
        *(f"--{name}" for name in flags),
    ]
    return {name: shlex.join([*words, f"--trial={name}"]) for name in trials}


class Job(Protocol):
    """A running command."""

    def poll(self) -> int | None:
        """The exit code, negative a signal's; None while it runs or waits."""

    def stop(self) -> None:
        """Requests a stop; returns when the state is saved."""


Start = Callable[[Mapping[str, str]], Mapping[str, Job]]


def start_with(config: Any, directory: pathlib.Path, progress: Progress) -> Any:
    """The function {trial: command} -> {trial: Job} of --launcher."""
    if config.launcher == "slurm":
        from dljax.launch import slurm

        return slurm.starter(config, directory / "slurm", progress)
    return lambda commands: {name: Process(c) for name, c in commands.items()}


def run_commands(
    commands: Mapping[str, str],
    start: Start,
    *,
    jobs: int,
    retries: int,
    stop: Callable[[], bool],
    progress: Progress,
) -> int:
    """Runs the commands, `jobs` at a time.

    Exit code 75 is retried at once; 1, 2 and 66 never; any other (a killed or crashed
    process, a lock) up to `retries` times. A stop is passed on to the jobs.

    Returns:
      the exit code: 2 or 66 of the first trial that had it, 1 if others failed, 0; or
      75 if stopped.
    """
    waiting, running = list(commands), dict[str, Job]()
    retried = dict.fromkeys(commands, 0)
    codes: list[int] = []
    progress.log(f"{len(commands)} trials, up to {jobs} at a time")
    while waiting or running:
        if stop():
            for job in running.values():
                job.stop()
            return PREEMPTED
        free = jobs - len(running)
        starting, waiting = waiting[:free], waiting[free:]
        if starting:
            running |= start({name: commands[name] for name in starting})
            for name in starting:
                progress.log(f"{name}: {running[name]}")
        time.sleep(POLL_SECS)
        for name, job in list(running.items()):
            if (code := job.poll()) is None:
                continue
            del running[name]
            if code == PREEMPTED:
                waiting.insert(0, name)
            elif code in FINAL or retried[name] == retries:
                codes.append(code)
                progress.log(f"{name}: ended with exit code {code}")
            else:
                retried[name] += 1
                waiting.append(name)
                progress.log(
                    f"{name}: exit code {code}; try {retried[name]} of {retries}"
                )
    return _exit_code(codes)


def _exit_code(codes: Sequence[int]) -> int:
    """The exit code of a study whose trials ended with these, in order."""
    errors = [code for code in codes if code in (USAGE, DAMAGED_DATA)]
    if errors:
        return errors[0]
    return FAILED_RUNS if any(code != DONE for code in codes) else DONE


class Process:
    """A command as a process of this machine, which stops with this process."""

    def __init__(self, command: str):
        words = shlex.split(command)
        self._process = subprocess.Popen(
            [sys.executable, *words[1:]],
            stdout=subprocess.DEVNULL,
            env={**os.environ, PARENT_PID: str(os.getpid())},
        )

    def __str__(self) -> str:
        return f"process {self._process.pid}"

    def poll(self) -> int | None:
        """See `Job`."""
        return self._process.poll()

    def stop(self) -> None:
        """Sends SIGTERM, waits until the state is saved; kills after STOP_SECS."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
