"""A trial: one static variant with all its seeds, in one directory.

config.json      the resolved config, variant, seeds, data fingerprint, lowering; their
                 hash is the directory's name
manifest.json    what surrounded it, and its cost
metrics.jsonl    a row per logged step and seed; holds no time
timing.jsonl     a row per start of the trial
checkpoints/     the newest states of all seeds
samples.npz      a few test examples, and what each seed's network makes of them
DONE             the hash of metrics.jsonl, once all is written
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, NamedTuple

import jax
import numpy as np

from dljax.backend import cores
from dljax.contract import Source, State, Task
from dljax.data.source import updates
from dljax.errors import DISK, Refusal
from dljax.runs import manifest
from dljax.runs.checkpoint import Checkpoints
from dljax.train import cost, loop, parallel


class Trial(NamedTuple):
    """config: of this variant. fixed: JSON values that determine its numbers.

    rule_sha256: of the rule that the study was declared with.
    """

    name: str
    variant: str
    config: Any
    seeds: tuple[int, ...]
    fixed: Mapping[str, Any]
    lowering: str
    rule_sha256: str


class Told(NamedTuple):
    """How a trial ended: whether it was stopped, and after how many seconds."""

    stopped: bool
    secs: float


def identity(fixed: Mapping[str, Any], slug: str) -> str:
    """The directory's name: readable, and a hash of what determines the numbers."""
    text = json.dumps(fixed, sort_keys=True)
    return f"{slug}-{hashlib.blake2b(text.encode(), digest_size=5).hexdigest()}"


def write_json(path: pathlib.Path, value: Any) -> None:
    """Writes a whole file or nothing."""
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def digest(path: pathlib.Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_done(directory: pathlib.Path) -> bool:
    """Whether the trial there is finished, its metrics as they were then."""
    done, metrics = directory / "DONE", directory / "metrics.jsonl"
    if not (done.is_file() and metrics.is_file()):
        return False
    return json.loads(done.read_text())["metrics_sha256"] == digest(metrics)


def run(
    trial: Trial,
    task: Task,
    source: Source,
    directory: pathlib.Path,
    *,
    stop: Callable[[], bool],
    show: Any,
) -> Told:
    """Trains a trial to its end, or resumes it; its directory then tells all.

    Args:
      stop: whether a signal asked to stop.
      show: has say(line), update(step, metrics) and begin(total, start, label).

    Raises:
      Refusal: the directory cannot be written.
    """
    begun = time.time()
    config = trial.config
    directory.mkdir(parents=True, exist_ok=True)
    program = parallel.program(
        task, source, trial.seeds, how=trial.lowering, batch_size=config.batch_size
    )
    steps = updates(config, source)
    log_every = config.log_every or max(1, steps // 50)
    eval_every = config.eval_every or max(1, steps // 20)
    write_json(
        directory / "config.json",
        {
            "variant": trial.variant,
            "seeds": list(trial.seeds),
            "config": dataclasses.asdict(config),
            "fixed": trial.fixed,
            "steps": steps,
            "lowering": trial.lowering,
        },
    )
    surroundings = manifest.surroundings()
    write_json(directory / "manifest.json", surroundings)
    state = program.init()
    parameters = cost.parameters(task)
    flops = cost.flops(task, source, config.batch_size)
    each = f", {flops / 1e6:,.1f} MFLOP an update" if flops else ""
    show.say(f"{trial.variant}: {parameters.total:,} parameters{each}")
    show.say(parameters.text)
    checkpoints = Checkpoints(directory / "checkpoints")
    restored = checkpoints.restore(program.take(state))
    step, length = 0, 0
    if restored is not None:
        step, length = restored.step, restored.meta["metrics_bytes"]
        state = program.put(restored.state)
        show.say(f"{trial.variant}: resuming at step {step} of {steps}")
    show.begin(steps, step, trial.variant)
    try:
        with (
            _trace(directory / "profile", on=config.profile),
            open(directory / "metrics.jsonl", "ab") as metrics,
        ):
            metrics.truncate(length)
            metrics.seek(length)
            outcome = loop.train(
                program,
                state,
                step=step,
                steps=steps,
                log_every=log_every,
                eval_every=eval_every,
                hooks=_hooks(trial, program, metrics, checkpoints, stop, show),
            )
        before = time.perf_counter()
        checkpoints.close()
        save_secs = outcome.save_secs + time.perf_counter() - before
    except OSError as error:
        raise Refusal(f"{directory}: {error.strerror or error}", DISK) from None
    finally:
        show.end()
    alive = np.asarray(outcome.state.alive)[: len(trial.seeds)]
    failed = [s for s, a in zip(trial.seeds, alive, strict=True) if not a]
    told = Told(outcome.stopped and outcome.step < steps, time.time() - begun)
    timing = {
        "from_step": step,
        "to_step": outcome.step,
        "began": begun,
        "secs": round(told.secs, 3),
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
    if told.stopped:
        return told
    samples = jax.device_get(program.sample(outcome.state, "test", 10))
    samples = {k: np.asarray(v)[: len(trial.seeds)] for k, v in samples.items()}
    np.savez_compressed(directory / "samples.npz", **samples)
    write_json(
        directory / "manifest.json",
        surroundings
        | {
            "trial": trial.name,
            "rule_sha256": trial.rule_sha256,
            "flags": dataclasses.asdict(config),
            "seeds": list(trial.seeds),
            "lowering": trial.lowering,
            "data": {
                "name": source.name,
                "version": source.version,
                "fingerprint": source.fingerprint,
                "classes": list(source.classes),
            },
            "parameters": parameters.total,
            "parameter_table": parameters.rows,
            "flops_per_update": flops,
            "timing": timing,
            "failed_seeds": failed,
        },
    )
    write_json(
        directory / "DONE",
        {
            "metrics_sha256": digest(directory / "metrics.jsonl"),
            "failed_seeds": failed,
        },
    )
    return told


def _hooks(
    trial: Trial,
    program: parallel.Program,
    metrics: IO[bytes],
    checkpoints: Checkpoints,
    stop: Callable[[], bool],
    show: Any,
) -> loop.Hooks:
    """How the loop writes to this trial's directory."""
    saved_at = time.monotonic()

    def write(rows: Iterable[dict]) -> None:
        for row in rows:
            whole = {"step": row["step"], "seed": row["seed"], "variant": trial.variant}
            text = json.dumps(whole | row, allow_nan=False)
            metrics.write(text.encode() + b"\n")

    def save(step: int, state: State) -> None:
        nonlocal saved_at
        metrics.flush()
        os.fsync(metrics.fileno())
        checkpoints.save(step, program.take(state), {"metrics_bytes": metrics.tell()})
        saved_at = time.monotonic()

    def save_due() -> bool:
        return time.monotonic() - saved_at >= trial.config.save_every_secs

    return loop.Hooks(write, save, save_due, stop, show.update)


def _trace(directory: pathlib.Path, *, on: bool) -> contextlib.AbstractContextManager:
    return jax.profiler.trace(str(directory)) if on else contextlib.nullcontext()
