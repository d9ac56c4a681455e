"""Trains a trial in its directory: resumes, logs, saves and records the cost."""

import contextlib
import dataclasses
import functools
import json
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from dljax.backend import cores
from dljax.config import field_names
from dljax.sources.resident import updates
from dljax.training import cost, loop, programs
from dljax.trials import checkpoint, disk, manifest, metrics_log, samples, tensorboard
from dljax.trials.device_errors import explain_device_errors
from dljax.trials.lock import locked
from dljax.trials.progress import Progress
from dljax.trials.trial import TrialSpec, failures
from dljax.types import Source, Task

MakeTask = Callable[[Mapping[str, Any]], Task]
RowSink = Callable[[pathlib.Path, metrics_log.Rows], None]


@dataclasses.dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended.

    stopped: whether a signal stopped it before its last step. secs: wall time.
    """

    stopped: bool
    secs: float


def execute(
    trial: TrialSpec,
    task: MakeTask,
    source: Source,
    directory: pathlib.Path,
    *,
    stop: Callable[[], bool],
    progress: Progress,
    sink: RowSink = lambda directory, rows: None,
) -> TrialOutcome:
    """Trains a trial to its last step, from its newest checkpoint if there is one.

    Args:
      task: maps the levels of the vmapped factors to the task of one run.
      directory: the trial's directory; created if missing, locked meanwhile.
      stop: returns True once a signal has requested a stop.
      sink: called with the directory and each group of rows appended to metrics.jsonl;
        after a resume, called again with the rows since the checkpoint.

    Raises:
      UserError: the directory is locked, not writable, damaged or of another config; or
        the memory of the device is full.
    """
    with disk.explain_disk_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with (
            locked(directory, break_lock=trial.config.break_lock, log=progress.log),
            explain_device_errors(trial),
        ):
            return _execute(trial, task, source, directory, stop, progress, sink)


def _execute(
    trial: TrialSpec,
    task: MakeTask,
    source: Source,
    directory: pathlib.Path,
    stop: Callable[[], bool],
    progress: Progress,
    sink: RowSink,
) -> TrialOutcome:
    started_at = time.time()
    program = make_trial_program(trial, task, source)
    disk.write_json(directory / "config.json", config_record(trial, source))
    environment = manifest.environment(trial.config)
    record = environment | _describe(
        trial, program.task, source, directory, environment, progress
    )
    start = _start(trial, program, source, directory, environment, progress)
    path = directory / "manifest.json"
    record["starts"] = manifest.starts(path, start.step, record)
    disk.write_json(path, record)
    outcome, save_secs = _train(
        trial, program, source, directory, start, stop, progress, sink
    )
    timing = {
        "from_step": start.step,
        "to_step": outcome.step,
        "began": started_at,
        "secs": round(time.time() - started_at, 3),
        "compile_secs": round(outcome.compile_secs, 3),
        "train_secs": round(outcome.train_secs, 3),
        "save_secs": round(save_secs, 3),
        "steps_per_sec": round(
            (outcome.step - start.step) / max(outcome.train_secs, 1e-9), 3
        ),
        "cores": cores(),
        "peak_bytes": manifest.peak_memory(),
    }
    with open(directory / "timing.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(timing) + "\n")
    stopped = outcome.stopped and outcome.step < start.steps
    if not stopped:
        _write_done(trial, program, directory, outcome, record | {"timing": timing})
    return TrialOutcome(stopped, time.time() - started_at)


def make_trial_program(
    trial: TrialSpec, task: MakeTask, source: Source
) -> programs.Program:
    """Returns the compiled functions that train and evaluate all runs of a trial."""
    return programs.make_program(
        task,
        source,
        [run.seed for run in trial.runs],
        strategy=trial.strategy,
        numbers=trial.numbers,
        batch_size=trial.config.batch_size,
    )


def config_record(trial: TrialSpec, source: Source) -> dict[str, Any]:
    """Returns the content of config.json as JSON values."""
    config = dataclasses.asdict(trial.config)
    launch = field_names(trial.config, "launch")
    return {
        "variant": trial.variant,
        "runs": [dataclasses.asdict(run) for run in trial.runs],
        "config": {k: v for k, v in config.items() if k not in launch},
        "fixed": trial.fixed,
        "steps": updates(trial.config, source),
        "strategy": trial.strategy,
        "best_by": trial.best_by,
        "test": trial.test,
    }


def describe_trial(
    trial: TrialSpec, task: Task, source: Source, *, flops: float | None = None
) -> dict[str, Any]:
    """Returns the part of manifest.json that describes the trial, not the machine.

    Args:
      task: the task of the trial's first run.
      flops: FLOPs per update if known; None counts them, which takes about a second.
    """
    parameters = cost.count_parameters(task)
    return {
        "trial": trial.name,
        "rule_sha256": trial.rule_sha256,
        "size_sha256": trial.size_sha256,
        "task_sha256": trial.task_sha256,
        "flags": dataclasses.asdict(trial.config),
        "seeds": list(trial.seeds),
        "runs": len(trial.runs),
        "numbers": trial.fixed.get("numbers", []),
        "strategy": trial.strategy,
        "data": manifest.describe_data(source),
        "parameters": parameters.total,
        "parameter_table": parameters.rows,
        "flops_per_update": flops
        or cost.count_flops(task, source, trial.config.batch_size),
    }


def restore(
    trial: TrialSpec,
    program: programs.Program,
    directory: pathlib.Path,
    *,
    log: Callable[[str], None],
    resume: bool,
) -> checkpoint.Restored | None:
    """Restores a trial's newest undamaged checkpoint: a `loop.TrainState` on the host.

    Args:
      log: called with one line per checkpoint that is skipped.
      resume: whether training continues from the checkpoint. If so, the first part of
        metrics.jsonl must be unchanged since the checkpoint, and unusable checkpoints
        are moved to damaged/; the caller must hold the lock.

    Returns:
      None if the trial has never saved a checkpoint.

    Raises:
      UserError: see `checkpoint.restore`.
    """

    def check_metrics(metadata):
        mismatch = metrics_log.find_mismatch(
            directory / "metrics.jsonl", metadata["metrics"]
        )
        if mismatch and resume:
            raise checkpoint.MismatchError(mismatch)

    return checkpoint.restore(
        directory / "checkpoints",
        program.to_host(loop.init_train_state(program, trial.best_by)),
        fixed=trial.fixed,
        log=log,
        check=check_metrics,
        set_aside=resume,
    )


class _Start(NamedTuple):
    """Where training starts: at step 0 or at a checkpoint.

    steps: the trial's last step. metrics_bytes: the length of metrics.jsonl at `step`;
    later rows are cut off. metadata: common to all checkpoints of this start.
    """

    step: int
    steps: int
    train_state: loop.TrainState
    metrics_bytes: int
    metadata: dict[str, Any]


def _describe(
    trial: TrialSpec,
    task: Task,
    source: Source,
    directory: pathlib.Path,
    environment: Mapping[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Returns `describe_trial`; logs the parameters and FLOPs."""
    known = manifest.known_flops(directory / "manifest.json", environment)
    record = describe_trial(trial, task, source, flops=known)
    flops = record["flops_per_update"]
    note = (
        f", {flops / 1e6:,.1f} MFLOP per update (by XLA, which counts one iteration of "
        "a loop, as of a recurrent layer)"
        if flops
        else ""
    )
    progress.log(f"{trial.title}: {record['parameters']:,} parameters{note}")
    progress.log(cost.format_table(record["parameter_table"]))
    return record


def _start(
    trial: TrialSpec,
    program: programs.Program,
    source: Source,
    directory: pathlib.Path,
    environment: Mapping[str, Any],
    progress: Progress,
) -> _Start:
    """Restores the newest checkpoint, or initializes the state at step 0."""
    steps = updates(trial.config, source)
    keys = (*manifest.COMPARED_KEYS, "git_commit")
    metadata = {
        "fixed": trial.fixed,
        "environment": {k: environment[k] for k in keys},
    }
    restored = restore(trial, program, directory, log=progress.log, resume=True)
    if restored is None:
        if (directory / "metrics.jsonl").is_file():
            progress.log(f"{trial.title}: no checkpoint yet, starting at step 0")
        train_state = loop.init_train_state(program, trial.best_by)
        return _Start(0, steps, train_state, 0, metadata)
    progress.log(f"{trial.title}: resuming at step {restored.step} of {steps}")
    for line in manifest.differences(restored.metadata["environment"], environment):
        progress.log(f"{trial.title}: {line}; results may differ in the last bits")
    return _Start(
        restored.step,
        steps,
        program.to_devices(restored.tree),
        restored.metadata["metrics"]["bytes"],
        metadata,
    )


def _train(
    trial: TrialSpec,
    program: programs.Program,
    source: Source,
    directory: pathlib.Path,
    start: _Start,
    stop: Callable[[], bool],
    progress: Progress,
    sink: RowSink,
) -> tuple[loop.Outcome, float]:
    """Runs the loop with all files open; returns its outcome and seconds of saving."""
    config = trial.config
    with contextlib.ExitStack() as stack:
        metrics = metrics_log.MetricsLog(
            directory / "metrics.jsonl", start.metrics_bytes
        )
        stack.enter_context(contextlib.closing(metrics))
        saver = checkpoint.Saver(directory / "checkpoints")
        stack.enter_context(contextlib.closing(saver))
        sinks = [metrics.write, _guard(functools.partial(sink, directory), progress)]
        if config.tensorboard:
            rows = metrics_log.read_rows(directory / "metrics.jsonl")
            board = tensorboard.Writer(directory, rows)
            stack.callback(board.close)
            sinks.append(board.write)
        progress.start(start.steps, start.step, trial.title)
        stack.callback(progress.finish)
        with _trace(directory / "profile", on=config.profile):
            outcome = loop.train(
                program,
                start.train_state,
                step=start.step,
                steps=start.steps,
                log_every=config.log_every or max(1, start.steps // 50),
                eval_every=config.eval_every or max(1, start.steps // 20),
                best_by=trial.best_by,
                test=trial.test,
                required_metrics=trial.required_metrics,
                hooks=_hooks(
                    trial, program, sinks, metrics, saver, start, stop, progress
                ),
            )
        stopped = outcome.stopped and outcome.step < start.steps
        if not stopped and trial.test:  # while the last checkpoint is being written
            samples.write(directory, program, source, outcome.train_state.selected)
        before = time.perf_counter()
        saver.wait()
        return outcome, outcome.save_secs + time.perf_counter() - before


def _hooks(
    trial: TrialSpec,
    program: programs.Program,
    sinks: Sequence[Callable[[metrics_log.Rows], None]],
    metrics: metrics_log.MetricsLog,
    saver: checkpoint.Saver,
    start: _Start,
    stop: Callable[[], bool],
    progress: Progress,
) -> loop.Hooks:
    """Returns the callbacks of the loop that write to the trial's directory."""
    saved_at = time.monotonic()

    def write(rows):
        complete = [
            {"step": row["step"], "seed": row["seed"], "variant": trial.runs[i].variant}
            | row
            for i, row in rows
        ]
        for sink in sinks if complete else ():
            sink(complete)

    def save(step, train_state):
        nonlocal saved_at
        metadata = {**start.metadata, "metrics": metrics.mark()}
        saver.save(step, program.to_host(train_state), metadata)
        saved_at = time.monotonic()

    def save_due():
        return time.monotonic() - saved_at >= trial.config.save_every_secs

    return loop.Hooks(write, save, save_due, stop, progress.update)


def _guard(
    sink: Callable[[metrics_log.Rows], None], progress: Progress
) -> Callable[[metrics_log.Rows], None]:
    """Wraps an experiment's log(): after its first error it is no longer called, and
    training continues.
    """
    failed = False

    def write(rows):
        nonlocal failed
        try:
            if not failed:
                sink(rows)
        except Exception as error:
            failed = True
            progress.log(
                f"log(): {type(error).__name__}: {error}; log() is not called again "
                "for this trial"
            )

    return write


def _trace(directory: pathlib.Path, *, on: bool) -> contextlib.AbstractContextManager:
    return jax.profiler.trace(str(directory)) if on else contextlib.nullcontext()


def _write_done(
    trial: TrialSpec,
    program: programs.Program,
    directory: pathlib.Path,
    outcome: loop.Outcome,
    record: Mapping[str, Any],
) -> None:
    """Writes manifest.json and DONE, both with the list of failed runs."""
    alive = np.asarray(outcome.train_state.state.alive)[: len(trial.runs)]
    failed = failures(
        [run for run, is_alive in zip(trial.runs, alive, strict=True) if not is_alive],
        metrics_log.read_rows(directory / "metrics.jsonl"),
        program.task,
    )
    disk.write_json(directory / "manifest.json", {**record, "failed": failed})
    digest = disk.sha256(directory / "metrics.jsonl")
    disk.write_json(directory / "DONE", {"metrics_sha256": digest, "failed": failed})
