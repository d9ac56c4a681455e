"""A study as commands, one per trial: printed, or run as processes or Slurm jobs.

A trial's command is idempotent: `--trial=NAME` locks that trial's directory only,
resumes the trial if it is half done, and does nothing if it is done. Any program that
runs commands (GNU parallel, Kubernetes, a queue) can therefore run a study; afterwards
the study's own command writes the report.
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

FINAL = (DONE, FAILED_RUNS, USAGE, DAMAGED_DATA)  # exit codes that are not retried
PARENT_PID = "DLJAX_PARENT_PID"  # environment variable: the launcher's process id
STOP_SECS = 120.0  # from SIGTERM to SIGKILL; a process saves its state in this time
POLL_SECS = 0.05


def trial_commands(
    study_command: str,
    trials: Sequence[str],
    workdir: str,
    flags: Sequence[str] = (),
) -> dict[str, str]:
    """Returns {trial: command}: the study's command with other flags and --trial.

    Args:
      study_command: the command line that declares the study.
      trials: names of trials.
      workdir: the study's directory.
      flags: names of boolean flags to add.
    """
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
        """The exit code, or minus the number of the signal; None before the end."""

    def stop(self) -> None:
        """Stops the command; returns when its state is saved."""


Start = Callable[[Mapping[str, str]], Mapping[str, Job]]


def start_with(config: Any, directory: pathlib.Path, progress: Progress) -> Any:
    """Returns the function of --launcher that starts {trial: command} as {trial: Job}.

    Args:
      config: the config of the command line.
      directory: the study's directory.
      progress: reports to the terminal.
    """
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
    """Runs the commands of trials and waits for them.

    After exit code 75 a command is started again at once; after 1, 2 or 66 never; after
    any other code (a killed or crashed process, a lock) up to `retries` times.

    Args:
      commands: {trial: command}.
      start: starts {trial: command} as {trial: Job}.
      jobs: the number of concurrent commands.
      retries: restarts per command.
      stop: whether to stop; all jobs are then stopped.
      progress: reports to the terminal.

    Returns:
      the exit code: 75 if stopped; else the first 2 or 66 of a trial; else 1 if a trial
      failed; else 0.
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
                    f"{name}: exit code {code}; restart {retried[name]} of {retries}"
                )
    return _exit_code(codes)


def _exit_code(codes: Sequence[int]) -> int:
    """The exit code of a study, from those of its trials in the order of their ends."""
    errors = [code for code in codes if code in (USAGE, DAMAGED_DATA)]
    if errors:
        return errors[0]
    return FAILED_RUNS if any(code != DONE for code in codes) else DONE


class Process:
    """A command as a process on this machine; it stops if this process dies."""

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
        """Sends SIGTERM and waits for the process to save; kills it after STOP_SECS."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
