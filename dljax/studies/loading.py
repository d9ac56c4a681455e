"""A trial's directory as Python values again: for notebooks, evaluation and replay."""

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

# Of config.json.
KEYS = {"variant", "runs", "config", "fixed", "strategy", "best_by", "test"}


@dataclasses.dataclass(frozen=True)
class StoredTrial:
    """A trial as its directory declares it, the maker of its tasks, and its data."""

    directory: pathlib.Path
    trial: TrialSpec
    task: MakeTask
    source: Source


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loaded:
    """A trial, loaded.

    runs: the variant and the seed of each. config: the frozen dataclass of the first,
      and `task` its task.
    program: the compiled functions.
    step: of the newest checkpoint. state: the last state of all runs, on the device,
      with a leading axis of runs. tested: the state that is evaluated at the end (the
      last, or each run's best), on `split`: "test", or "valid" where the trial tunes.
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


def find(run: str, *, data_dir: str = "") -> StoredTrial:
    """Finds the trial of a directory, RUNS/STUDY/TRIAL, and its experiment's source.

    Args:
      data_dir: where the data set is prepared now; default where it was.

    Raises:
      UserError: it is not a trial's directory, or the data set has changed since.
    """
    directory = pathlib.Path(run).expanduser().absolute()
    stored = _read_config(run, directory)
    spec = read_spec(directory.parent)
    if spec is None:
        raise UserError(
            "not-a-study",
            f"{directory.parent}: no study.json there; a trial needs its study",
        )
    experiment = import_experiment(spec.module)
    if experiment.measure:
        raise UserError(
            "nothing-to-load",
            f"{run}: holds measured times, and no network; nothing to load",
        )
    fields = field_names(experiment.config, "science", "logging", "environment")
    if unknown := ", ".join(sorted(stored["config"].keys() - fields)):
        raise UserError(
            "config-changed", f"{run}: {spec.module} had other flags then: {unknown}"
        )
    changed = {"data_dir": data_dir} if data_dir else {}
    config = experiment.config(**stored["config"] | changed)
    source = experiment.source(config)
    _check_data(run, stored["fixed"]["data"], source)
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


def _read_config(run: str, directory: pathlib.Path) -> dict[str, Any]:
    """The content of config.json; raises UserError where there is none."""
    path = directory / "config.json"
    if not path.is_file():
        raise UserError(
            "not-a-trial", f"{run}: no config.json there; give the directory of a trial"
        )
    stored = disk.read_json(path)
    if not isinstance(stored, dict) or not stored.keys() >= KEYS:
        raise UserError(
            "damaged-record",
            f"{path}: is damaged, or of an earlier version; the study's command writes "
            "it again if DONE is moved away",
            DAMAGED_DATA,
        )
    return stored


def _check_data(run: str, recorded: list[str], source: Source) -> None:
    """Raises UserError where the data set has changed since the trial was trained."""
    data = [source.name, source.version, source.fingerprint]
    if data != recorded:
        raise UserError(
            "data-changed",
            f"{run}: was made from the data {' '.join(recorded)}; here they are "
            f"{' '.join(data)}",
            DAMAGED_DATA,
        )


def writable(run: str) -> pathlib.Path:
    """The directory that a card's --run names, and writes to.

    Raises:
      UserError: none is named or there, or it cannot be written to.
    """
    if not run:
        raise UserError("usage", "--run: give a trial's directory, RUNS/STUDY/TRIAL")
    directory = pathlib.Path(run).expanduser().absolute()
    if not directory.is_dir():
        raise UserError("no-such-directory", f"--run={run}: no such directory")
    disk.check_writable(directory, "run")
    return directory


def load(run: str) -> Loaded:
    """Loads a trial's directory, RUNS/STUDY/TRIAL, which stays as it is.

    Raises:
      UserError: see `find`; or no whole checkpoint is in it.
    """
    stored = find(run)
    directory, trial, source = stored.directory, stored.trial, stored.source
    program = make_trial_program(trial, stored.task, source)
    restored = restore(trial, program, directory, log=_warn, resume=False)
    if restored is None:
        raise UserError(
            "no-checkpoint", f"{directory}: no checkpoint in it", FAILED_RUNS
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
