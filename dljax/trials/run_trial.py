"""Trains a trial in its directory: resumes, logs, saves, and notes what it took."""

import contextlib
import dataclasses
import functools
import json
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from dljax.backend import cores
from dljax.config import field_names
from dljax.sources.resident import updates
from dljax.training import cost, loop, programs
from dljax.trials import checkpoint, disk, manifest, metrics_log, samples, tensorboard
from dljax.trials.device_errors import explained
from dljax.trials.lock import locked
from dljax.trials.progress import Progress
from dljax.trials.trial import TrialSpec, failures
from dljax.types import Source, Task

Make = Callable[[Mapping[str, Any]], Task]
Sink = Callable[[pathlib.Path, metrics_log.Rows], None]


@dataclasses.dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended: whether it was stopped, and after how many seconds."""

    stopped: bool
    secs: float


def execute(
    trial: TrialSpec,
    task: Make,
    source: Source,
    directory: pathlib.Path,
    *,
    stop: Callable[[], bool],
    progress: Progress,
    sink: Sink = lambda directory, rows: None,
) -> TrialOutcome:
    """Trains a trial to its end, or resumes it; its directory then tells all.

    Args:
      task: makes the task of a run, given its numbers.
      stop: whether a signal asked to stop.
      sink: is given all rows that metrics.jsonl gets; after a resume those again that
        came after the checkpoint.

    Raises:
      UserError: the directory is locked, or cannot be written, or what is in it is of
        another config or damaged; or the device's memory is full.
    """
    with disk.refusals(directory):
        directory.mkdir(parents=True, exist_ok=True)
        with (
            locked(directory, break_lock=trial.config.break_lock, log=progress.log),
            explained(trial),
        ):
            return _execute(trial, task, source, directory, stop, progress, sink)


def _execute(trial, task, source, directory, stop, progress, sink) -> TrialOutcome:
    begun = time.time()
    config, count = trial.config, len(trial.runs)
    first = task(trial.runs[0].numbers)
    program = compiled(trial, task, source)
    steps = updates(config, source)
    disk.write_json(directory / "config.json", page(trial, source))
    environment = manifest.environment(config)
    known = manifest.known_flops(directory / "manifest.json", environment)
    description = described(trial, first, source, flops=known)
    flops = description["flops_per_update"]
    flops_text = (
        f", {flops / 1e6:,.1f} MFLOP an update (a loop's body once)" if flops else ""
    )
    progress.log(
        f"{trial.variant}: {description['parameters']:,} parameters{flops_text}"
    )
    progress.log(cost.table(description["parameter_table"]))
    restored = restore(trial, program, directory, log=progress.log, resume=True)
    step = restored.step if restored else 0
    if not restored and (directory / "metrics.jsonl").is_file():
        progress.log(f"{trial.variant}: no checkpoint is there; it starts at step 0")
    train_state = (
        program.to_devices(restored.tree)
        if restored
        else loop.init_train_state(program, trial.best_by)
    )
    if restored:
        progress.log(f"{trial.variant}: resuming at step {step} of {steps}")
        for line in manifest.differences(restored.page["environment"], environment):
            progress.log(f"{trial.variant}: {line}; its bits may differ from here on")
    written = environment | description
    written["starts"] = manifest.starts(directory / "manifest.json", step, written)
    disk.write_json(directory / "manifest.json", written)
    beside = {
        "fixed": trial.fixed,
        "environment": {k: environment[k] for k in (*manifest.COMPARED, "git_commit")},
    }
    length = restored.page["metrics"]["bytes"] if restored else 0
    metrics = metrics_log.Log(directory / "metrics.jsonl", length)
    sinks = [metrics.write, _harmless(functools.partial(sink, directory), progress)]
    with (
        contextlib.closing(metrics),
        contextlib.closing(checkpoint.Saver(directory / "checkpoints")) as saver,
        contextlib.ExitStack() as stack,
    ):
        if config.tensorboard:
            rows = metrics_log.read_rows(directory / "metrics.jsonl")
            board = tensorboard.Writer(directory, rows)
            stack.callback(board.close)
            sinks.append(board.write)
        progress.start(steps, step, trial.variant)
        stack.callback(progress.finish)
        with _trace(directory / "profile", on=config.profile):
            outcome = loop.train(
                program,
                train_state,
                step=step,
                steps=steps,
                log_every=config.log_every or max(1, steps // 50),
                eval_every=config.eval_every or max(1, steps // 20),
                best_by=trial.best_by,
                test=trial.test,
                required_metrics=trial.required_metrics,
                hooks=_hooks(
                    trial, program, sinks, metrics, saver, beside, stop, progress
                ),
            )
        stopped = outcome.stopped and outcome.step < steps
        if not stopped and trial.test:  # while the last state is on its way to the disk
            samples.write(directory, program, source, outcome.train_state.selected)
        before = time.perf_counter()
        saver.wait()
        save_secs = outcome.save_secs + time.perf_counter() - before
    timing = {
        "from_step": step,
        "to_step": outcome.step,
        "began": begun,
        "secs": round(time.time() - begun, 3),
        "compile_secs": round(outcome.compile_secs, 3),
        "train_secs": round(outcome.train_secs, 3),
        "save_secs": round(save_secs, 3),
        "steps_per_sec": round(
            (outcome.step - step) / max(outcome.train_secs, 1e-9), 3
        ),
        "cores": cores(),
        "peak_bytes": manifest.peak_memory(),
    }
    with open(directory / "timing.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(timing) + "\n")
    if not stopped:
        alive = np.asarray(outcome.train_state.state.alive)[:count]
        failed = failures(
            [r for r, a in zip(trial.runs, alive, strict=True) if not a],
            metrics_log.read_rows(directory / "metrics.jsonl"),
            first,
        )
        disk.write_json(
            directory / "manifest.json", written | {"timing": timing, "failed": failed}
        )
        done = {
            "metrics_sha256": disk.digest(directory / "metrics.jsonl"),
            "failed": failed,
        }
        disk.write_json(directory / "DONE", done)
    return TrialOutcome(stopped, time.time() - begun)


def page(trial: TrialSpec, source: Source) -> dict[str, Any]:
    """The content of config.json."""
    config, launch = (
        dataclasses.asdict(trial.config),
        field_names(trial.config, "launch"),
    )
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


def described(
    trial: TrialSpec, task: Task, source: Source, *, flops: float | None = None
) -> dict[str, Any]:
    """What manifest.json has of a trial itself.

    Args:
      task: that of its first run.
      flops: of an update, where they are known; to count them takes a second.
    """
    parameters = cost.parameters(task)
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
        "data": manifest.data(source),
        "parameters": parameters.total,
        "parameter_table": parameters.rows,
        "flops_per_update": flops or cost.flops(task, source, trial.config.batch_size),
    }


def compiled(trial: TrialSpec, task: Make, source: Source) -> programs.Program:
    """The programs of a trial."""
    return programs.make_program(
        task,
        source,
        [run.seed for run in trial.runs],
        strategy=trial.strategy,
        numbers=trial.numbers,
        batch_size=trial.config.batch_size,
    )


def restore(
    trial: TrialSpec,
    program: programs.Program,
    directory: pathlib.Path,
    *,
    log: Callable[[str], None],
    resume: bool,
) -> checkpoint.Restored | None:
    """A trial's newest whole checkpoint: a `loop.TrainState` of host arrays.

    Args:
      resume: metrics.jsonl has to begin as it was then, and what is damaged is moved
        away; the caller holds the lock.

    Raises as `checkpoint.restore`.
    """

    def check(page):
        wrong = metrics_log.differs(directory / "metrics.jsonl", page["metrics"])
        if wrong and resume:
            raise checkpoint.Unmatched(wrong)

    return checkpoint.restore(
        directory / "checkpoints",
        program.to_host(loop.init_train_state(program, trial.best_by)),
        fixed=trial.fixed,
        log=log,
        check=check,
        set_aside=resume,
    )


def _harmless(sink: Callable[[metrics_log.Rows], None], progress: Progress):
    """The script's own log(): its error is said, and ends it, not the training."""
    failed = False

    def write(rows):
        nonlocal failed
        try:
            if not failed:
                sink(rows)
        except Exception as error:
            failed = True
            message = f"{type(error).__name__}: {error}"
            progress.log(f"log(): {message}; it is given no more rows of this trial")

    return write


def _hooks(trial, program, sinks, metrics, saver, beside, stop, progress) -> loop.Hooks:
    """How the loop writes to this trial's directory."""
    saved_at = time.monotonic()

    def write(rows):
        named = [
            {"step": row["step"], "seed": row["seed"], "variant": trial.runs[i].variant}
            | row
            for i, row in rows
        ]
        for sink in sinks if named else ():
            sink(named)

    def save(step, train_state):
        nonlocal saved_at
        saver.save(
            step, program.to_host(train_state), {**beside, "metrics": metrics.mark()}
        )
        saved_at = time.monotonic()

    def save_due():
        return time.monotonic() - saved_at >= trial.config.save_every_secs

    return loop.Hooks(write, save, save_due, stop, progress.update)


def _trace(directory: pathlib.Path, *, on: bool) -> contextlib.AbstractContextManager:
    return jax.profiler.trace(str(directory)) if on else contextlib.nullcontext()
