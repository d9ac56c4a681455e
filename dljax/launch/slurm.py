"""Trials as a Slurm job array, submitted with submitit; preempted jobs are requeued.

A job runs its trial's command, which resumes from the trial's checkpoint. A job may
therefore be killed at any moment. jobs.json lists the submitted jobs: a launcher that
is started again waits for those that are still queued or running.
"""

import pathlib
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from dljax.errors import PREEMPTED, UserError
from dljax.trials.disk import read_json, write_json
from dljax.trials.progress import Progress

QUERY_SECS = 2.0  # between queries of the queue
LATE_SECS = 20.0  # until a result is visible on a shared file system
KILLED = 137  # the exit code of a job without a result


class Command:
    """The function of a job; submitit calls `checkpoint` before requeueing the job."""

    def __init__(self, command: str):
        self.words = shlex.split(command)[1:]
        self._process: subprocess.Popen | None = None

    def __call__(self) -> int:
        while True:
            self._process = subprocess.Popen([sys.executable, *self.words])
            while (code := self._process.poll()) is None:
                time.sleep(0.2)  # a signal handler calls `checkpoint` meanwhile
            if code != PREEMPTED:
                return code

    def checkpoint(self) -> Any:
        """Returns the same command, after the trial has saved its state.

        The trial's process receives the same signal and saves.
        """
        import submitit

        until = time.monotonic() + 60
        while self._process and self._process.poll() is None:
            if time.monotonic() > until:
                break
            time.sleep(0.2)
        return submitit.helpers.DelayedSubmission(
            Command(shlex.join(["", *self.words]))
        )


class Queue:
    """The jobs that wait or run, queried at most every QUERY_SECS."""

    def __init__(self):
        self._queried = -QUERY_SECS
        self._ids: set[str] | None = None  # None: squeue failed

    def has(self, job: str | None) -> bool:
        """Whether a job waits or runs; true while squeue fails."""
        if job is None:
            return False
        if time.monotonic() - self._queried >= QUERY_SECS:
            self._ids = self._query()
            self._queried = time.monotonic()
        return self._ids is None or job in self._ids

    def changed(self) -> None:
        """Makes the next `has` query again, after jobs were submitted."""
        self._queried = -QUERY_SECS

    def _query(self) -> set[str] | None:
        words = ["squeue", "--me", "--array", "--noheader", "--format=%i"]
        try:
            result = subprocess.run(words, capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return set(result.stdout.split()) if result.returncode == 0 else None


class SlurmJob:
    """A trial's job; see `processes.Job`."""

    def __init__(self, job: str, folder: pathlib.Path, queue: Queue):
        self._job, self._folder, self._queue = job, folder, queue
        self._gone_since: float | None = None

    def __str__(self) -> str:
        return f"Slurm job {self._job}"

    def poll(self) -> int | None:
        """The exit code after the job left the queue, KILLED without a result."""
        if self._queue.has(self._job):
            self._gone_since = None
            return None
        self._gone_since = self._gone_since or time.monotonic()
        if (code := self._result()) is not None:
            return code
        late = time.monotonic() - self._gone_since > LATE_SECS
        return KILLED if late else None

    def _result(self) -> int | None:
        from submitit.core.utils import pickle_load
        from submitit.slurm.slurm import SlurmJob as Submitted

        path = Submitted(self._folder, self._job).paths.result_pickle
        if not path.exists():
            return None
        outcome, value = pickle_load(path)
        return int(value) if outcome == "success" else KILLED

    def stop(self) -> None:
        """Does nothing: the job goes on, and the study's command waits for it again."""


def starter(
    config: Any, folder: pathlib.Path, progress: Progress
) -> Callable[[Mapping[str, str]], dict[str, SlurmJob]]:
    """Returns the function that submits {trial: command} as {trial: SlurmJob}.

    Trials whose jobs are still queued or running are not submitted again; the others
    form one job array.

    Args:
      config: the config of the command line.
      folder: the directory of submitit's files and of jobs.json.
      progress: reports to the terminal.

    Raises:
      UserError: submitit or Slurm is not installed, or sbatch refuses the jobs.
    """
    executor = _executor(config, folder)
    queue = Queue()
    path = folder / "jobs.json"
    submitted: dict[str, str] = read_json(path) or {}

    def start(commands: Mapping[str, str]) -> dict[str, SlurmJob]:
        queued = {name for name in commands if queue.has(submitted.get(name))}
        if new := {name: c for name, c in commands.items() if name not in queued}:
            submitted.update(_submit(executor, new))
            write_json(path, submitted)
            queue.changed()
        if queued:
            progress.log(f"waiting for {len(queued)} jobs submitted before")
        return {name: SlurmJob(submitted[name], folder, queue) for name in commands}

    return start


def _submit(executor: Any, commands: Mapping[str, str]) -> dict[str, str]:
    import submitit

    try:
        with executor.batch():
            jobs = [executor.submit(Command(command)) for command in commands.values()]
        return {name: job.job_id for name, job in zip(commands, jobs, strict=True)}
    except (subprocess.CalledProcessError, submitit.core.utils.FailedJobError) as error:
        lines = [line for line in str(error).splitlines() if "error:" in line]
        words = "; ".join(
            dict.fromkeys(line.split("error:", 1)[1].strip() for line in lines)
        )
        raise UserError(
            "slurm-refused",
            f"--launcher=slurm: sbatch refused the jobs: {words or error}; change the "
            "--slurm flags",
        ) from None


def _executor(config: Any, folder: pathlib.Path) -> Any:
    try:
        import submitit
    except ImportError:
        raise UserError(
            "extra-not-installed",
            "--launcher=slurm: submitit is not installed; run: "
            "pip install 'dljax[slurm]'",
        ) from None
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster="slurm")
    except RuntimeError:
        raise UserError(
            "no-slurm",
            "--launcher=slurm: sbatch is not installed; use --launcher=local, or "
            "--launcher=commands to print the commands",
        ) from None
    more = {"requeue": True} | _more(config.slurm_more)
    if config.slurm_partition:
        more["partition"] = config.slurm_partition
    if config.slurm_gpus:
        executor.update_parameters(gpus_per_node=config.slurm_gpus)
    if config.slurm_cpus:
        executor.update_parameters(cpus_per_task=config.slurm_cpus)
    executor.update_parameters(
        name="dljax",
        timeout_min=config.slurm_minutes,
        slurm_additional_parameters=more,
    )
    return executor


def _more(text: str) -> dict[str, Any]:
    """Parses --slurm_more into {option: value}, as {"constraint": "a100"}."""
    pairs = [part.partition("=") for part in text.split(",") if part]
    if bad := [name for name, equals, _ in pairs if not equals]:
        raise UserError(
            "slurm-option-syntax",
            f"--slurm_more={text}: {bad[0]} has no value; give NAME=VALUE,NAME=VALUE",
        )
    return {name.replace("-", "_"): value for name, _, value in pairs}
