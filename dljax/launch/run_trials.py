"""Runs the trials of a plan in this process, as other processes or as Slurm jobs."""

import collections
import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dljax.errors import DONE, FAILED_RUNS, PREEMPTED
from dljax.launch import processes
from dljax.studies import trial_groups
from dljax.studies.study_spec import StudySpec
from dljax.studies.trial_groups import BoundTrial
from dljax.training import nonfinite
from dljax.trials import disk, manifest
from dljax.trials.progress import Progress
from dljax.trials.run_trial import execute, make_trial_program, restore
from dljax.trials.trial import Status, refuse_changed, status


@dataclasses.dataclass(frozen=True)
class Context:
    """Where and how trials run.

    Attributes:
      directory: the study's directory.
      config: the config of the command line.
      stop: whether to stop after the current step or evaluation.
      progress: reports to the terminal.
    """

    directory: pathlib.Path
    config: Any
    stop: Callable[[], bool]
    progress: Progress


def run_all(
    trials: Sequence[BoundTrial], spec: StudySpec, context: Context
) -> tuple[int, bool]:
    """Runs the unfinished trials, by --launcher and --jobs.

    Args:
      trials: trials of one study.
      spec: the study's spec.
      context: where and how the trials run.

    Returns:
      the exit code, and whether a trial was unfinished.
    """
    directory, config, progress = context.directory, context.config, context.progress
    names = trial_groups.unfinished(trials, directory, again=config.retry_failed)
    flags = [name for name in ("break_lock", "retry_failed") if getattr(config, name)]
    commands = processes.trial_commands(spec.command, names, str(directory), flags)
    if config.launcher == "commands":
        print("\n".join(commands.values()), end="\n" if commands else "")
        if not commands:
            progress.log(
                "all trials are done; omit --launcher=commands to write the report"
            )
        return DONE, bool(commands)
    _log_trials(spec, trials, context)
    if commands and (config.launcher == "slurm" or config.jobs > 1):
        return _run_commands(commands, trials, context), True
    return run_here(trials, context), bool(commands)


def _run_commands(
    commands: Mapping[str, str], trials: Sequence[BoundTrial], context: Context
) -> int:
    """Runs the commands as processes or Slurm jobs; returns the exit code."""
    directory, config, progress = context.directory, context.config, context.progress
    code = processes.run_commands(
        commands,
        processes.start_with(config, directory, progress),
        jobs=len(commands) if config.launcher == "slurm" else config.jobs,
        retries=config.retries,
        stop=context.stop,
        progress=progress,
    )
    if code == PREEMPTED:
        return _stopped(context)
    if code not in (DONE, FAILED_RUNS):
        return code
    # The commands ran failed trials again already.
    config = dataclasses.replace(config, retry_failed=False)
    context = dataclasses.replace(context, config=config)
    unfinished = trial_groups.unfinished(trials, directory)
    if unfinished:
        progress.log(f"unfinished trials ({len(unfinished)}): {', '.join(unfinished)}")
    finished = [bound for bound in trials if bound.trial.name not in unfinished]
    code = run_here(finished, context)
    return FAILED_RUNS if unfinished else code


def _log_trials(
    spec: StudySpec, trials: Sequence[BoundTrial], context: Context
) -> None:
    """Logs the states of the trials and the number of other trials there."""
    directory, tuning = context.directory, not trials[0].trial.test
    names = [bound.trial.name for bound in trials]
    kinds = collections.Counter(status(directory / name).kind for name in names)
    counts = ", ".join(f"{n} {kind}" for kind, n in kinds.items())
    runs = max(len(bound.trial.runs) for bound in trials)
    kind = f"{'tuning ' if tuning else ''}trial{'s' if len(trials) > 1 else ''}"
    short = " (reduced: fewer steps than declared)" if spec.shortened else ""
    context.progress.log(
        f"{spec.study}: {len(trials)} {kind} of up to {runs} runs in {directory}: "
        f"{counts}{short}"
    )
    listed = {*names, *(entry.name for entry in spec.tuning_trials)}
    others = [p for p in directory.glob("*/config.json") if p.parent.name not in listed]
    if others and not tuning:
        context.progress.log(
            f"{len(others)} trials there have other flags; they are unchanged and not "
            "part of the report"
        )


def run_here(trials: Sequence[BoundTrial], context: Context) -> int:
    """Runs the unfinished trials in this process; returns the exit code."""
    environment = manifest.environment(context.config)
    failed = 0
    for bound in trials:
        now = _run_one(bound, environment, context)
        if now is None:
            return _stopped(context)
        for run in now.failed:
            failed += 1
            context.progress.log(failure(run))
            if context.config.locate_nan:
                context.progress.log(_locate(bound, run, context))
    return FAILED_RUNS if failed else DONE


def _run_one(
    bound: BoundTrial, environment: Mapping[str, Any], context: Context
) -> Status | None:
    """Runs a trial unless it is done; returns its status, or None if stopped."""
    trial, log = bound.trial, context.progress.log
    directory = context.directory / trial.name
    now = status(directory)
    refuse_changed(directory, now)
    if now.kind == "failed" and context.config.retry_failed and trial.test:
        log(f"{trial.title}: failed before; moved to {_step_aside(directory)}")
        now = status(directory)
    if now.finished:
        retry = "; --retry_failed runs it again" if now.kind == "failed" else ""
        kind, retry = (now.kind, retry) if trial.test else ("done", "")
        log(f"{trial.title}: already {kind}{_since(directory, environment)}{retry}")
        return now
    if context.stop():
        return None
    outcome = execute(
        trial,
        bound.task,
        bound.source,
        directory,
        stop=context.stop,
        progress=context.progress,
        sink=bound.sink,
    )
    if outcome.stopped:
        return None
    log(f"{trial.title}: finished in {outcome.secs:.1f} s")
    return status(directory)


def failure(run: Mapping[str, Any]) -> str:
    """Describes a failed run.

    Args:
      run: {"variant", "seed", "step", "metric"} from DONE.
    """
    return (
        f"{run['variant']}: seed {run['seed']} failed at step {run['step']}: "
        f"{run['metric']} is not finite"
    )


def _since(directory: pathlib.Path, environment: Mapping[str, Any]) -> str:
    """Describes how a finished trial's environment differs from `environment`."""
    recorded = disk.read_json(directory / "manifest.json")
    if not isinstance(recorded, dict):
        return " (manifest.json is missing or damaged)"
    differences = manifest.differences(recorded, environment)
    return f" ({'; '.join(differences)})" if differences else ""


def _step_aside(directory: pathlib.Path) -> pathlib.Path:
    """Renames a failed trial's directory; returns its new path."""
    paths = (
        directory.with_name(f"{directory.name}.failed-{i}") for i in range(1, 1000)
    )
    return directory.rename(next(path for path in paths if not path.exists()))


def _locate(bound: BoundTrial, run: Mapping[str, Any], context: Context) -> str:
    """Names the first module with a value that is not finite in a failed run's step."""
    trial, task, source = bound.trial, bound.task, bound.source
    restored = restore(
        trial,
        make_trial_program(trial, task, source),
        context.directory / trial.name,
        log=context.progress.log,
        resume=False,
    )
    assert restored is not None, "a finished trial has a checkpoint"
    index = [(r.variant, r.seed) for r in trial.runs].index(
        (run["variant"], run["seed"])
    )
    module = nonfinite.locate(
        task(trial.runs[index].numbers),
        source,
        nonfinite.take_run(restored.tree.state, index),
        source.split(run["seed"])["train"],
        batch_size=trial.config.batch_size,
    )
    return f"{run['variant']}: seed {run['seed']}, step {run['step']}: {module}"


def _stopped(context: Context) -> int:
    """Logs how to resume; returns the exit code."""
    context.progress.log(
        f"stopped; run the same command to resume in {context.directory}"
    )
    return PREEMPTED
