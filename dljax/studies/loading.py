"""Loads a trial from its directory, for notebooks, evaluation and replay."""

import dataclasses
import pathlib
import sys
from typing import Any

from dljax.config import field_names
from dljax.errors import DAMAGED_DATA, FAILED_RUNS, UserError
from dljax.studies.experiment import bind_task, import_experiment
from dljax.studies.study_spec import read_spec
from dljax.training import programs
from dljax.trials import disk
from dljax.trials.metrics_log import Rows, read_rows
from dljax.trials.run_trial import MakeTask, make_trial_program, restore
from dljax.trials.trial import Run, TrialSpec
from dljax.types import Source, State, Task

# Keys that config.json must have.
KEYS = {"variant", "runs", "config", "fixed", "strategy", "best_by", "test"}


@dataclasses.dataclass(frozen=True)
class StoredTrial:
    """A trial as its directory declares it.

    task: maps the levels of the vmapped factors to a task. source: the data set.
    """

    directory: pathlib.Path
    trial: TrialSpec
    task: MakeTask
    source: Source


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loaded:
    """A loaded trial, as `dljax.load` returns it.

    runs: the variant and seed of each run.
    config: the config of the first run. task: the task of the first run.
    program: the compiled functions, for all runs together.
    step: the step of the newest checkpoint.
    state: the last state of all runs, on the device; each array has a leading axis of
      runs, which may be padded at its end.
    tested: the state that is evaluated at the end: the last, or each run's best.
    split: the data it is evaluated on: "test", or "valid" if the trial tunes.
    metrics: the rows of metrics.jsonl.
    """

    directory: pathlib.Path
    variant: str
    runs: tuple[Run, ...]
    config: Any
    task: Task
    source: Source
    program: programs.Program
    step: int
    state: State
    tested: State
    split: str
    metrics: Rows


def find(path: str, *, data_dir: str = "") -> StoredTrial:
    """Reads a trial's declaration and opens its data set, without its checkpoint.

    Args:
      path: the trial's directory, for example runs/STUDY/TRIAL.
      data_dir: the directory of the prepared data set; "" for the recorded one.

    Raises:
      UserError: the directory is not a trial's, or the data set has changed.
    """
    directory = pathlib.Path(path).expanduser().absolute()
    stored = _read_config(directory)
    spec = read_spec(directory.parent)
    if spec is None:
        raise UserError(
            "not-a-study",
            f"{directory.parent}: no study.json in it; give a trial inside its study's "
            "directory, as in runs/STUDY/TRIAL",
        )
    experiment = import_experiment(spec.module)
    if experiment.measure:
        raise UserError(
            "nothing-to-load",
            f"{path}: a trial of a benchmark study has times and no network; give a "
            "trial of another study",
        )
    fields = field_names(experiment.config, "science", "logging", "environment")
    if unknown := ", ".join(sorted(stored["config"].keys() - fields)):
        raise UserError(
            "config-changed",
            f"{path}: recorded with the flags {unknown}, which {spec.module} no longer "
            "has; use the commit in the trial's manifest.json",
        )
    changed = {"data_dir": data_dir} if data_dir else {}
    config = experiment.config(**stored["config"] | changed)
    source = experiment.source(config)
    _check_data(directory, stored["fixed"]["data"], source)
    trial = TrialSpec(
        name=directory.name,
        variant=stored["variant"],
        config=config,
        runs=tuple(Run(**run) for run in stored["runs"]),
        fixed=stored["fixed"],
        strategy=stored["strategy"],
        rule_sha256=spec.rule_sha256,
        task_sha256=experiment.task_sha256,
        best_by=tuple(stored["best_by"]) if stored["best_by"] else None,
        test=stored["test"],
    )
    task = bind_task(experiment, config, source, trial.runs[0].numbers)
    return StoredTrial(directory, trial, task, source)


def _read_config(directory: pathlib.Path) -> dict[str, Any]:
    """Reads config.json; raises UserError if it is missing or damaged."""
    path = directory / "config.json"
    if not path.is_file():
        raise UserError(
            "not-a-trial",
            f"{directory}: no config.json in it; give a trial, as in runs/STUDY/TRIAL",
        )
    stored = disk.read_json(path)
    if not isinstance(stored, dict) or not stored.keys() >= KEYS:
        raise UserError(
            "damaged-record",
            f"{path}: damaged, or written by an earlier version; delete the file DONE "
            "beside it, and the command of the study writes it again",
            DAMAGED_DATA,
        )
    return stored


def _check_data(directory: pathlib.Path, recorded: list[str], source: Source) -> None:
    """Raises UserError if the data set is not the one that the trial was trained on."""
    data = [source.name, source.version, source.fingerprint]
    if data != recorded:
        raise UserError(
            "data-changed",
            f"{directory}: trained on the data {' '.join(recorded)}, but the data set "
            f"is now {' '.join(data)}; restore the recorded version",
            DAMAGED_DATA,
        )


def writable(run: str) -> pathlib.Path:
    """Returns the trial's directory of a model card's --run, checked to be writable.

    Raises:
      UserError: --run is empty, or the directory is missing or not writable.
    """
    if not run:
        raise UserError("usage", "--run: give a trial, as in --run=runs/STUDY/TRIAL")
    directory = pathlib.Path(run).expanduser().absolute()
    if not directory.is_dir():
        raise UserError(
            "no-such-directory",
            f"--run={run}: no such directory; give a trial, as in runs/STUDY/TRIAL",
        )
    disk.check_writable(directory, "run")
    return directory


def load(path: str) -> Loaded:
    """Loads a trial: its config, data, compiled functions, newest state and metrics.

    Nothing in the directory is changed.

    Args:
      path: the trial's directory, for example runs/STUDY/TRIAL.

    Raises:
      UserError: the directory is not a trial's, the data set has changed, or no
        checkpoint is usable.
    """
    stored = find(path)
    directory, trial, source = stored.directory, stored.trial, stored.source
    program = make_trial_program(trial, stored.task, source)
    restored = restore(trial, program, directory, log=_warn, resume=False)
    if restored is None:
        raise UserError(
            "no-checkpoint",
            f"{directory}: no checkpoint in it; repeat the command of the study, which "
            "trains the trial",
            FAILED_RUNS,
        )
    train_state = program.to_devices(restored.tree)
    return Loaded(
        directory=directory,
        variant=trial.variant,
        runs=trial.runs,
        config=trial.config,
        task=stored.task(trial.runs[0].numbers),
        source=source,
        program=program,
        step=restored.step,
        state=train_state.state,
        tested=train_state.selected,
        split="test" if trial.test else "valid",
        metrics=read_rows(directory / "metrics.jsonl"),
    )


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)
