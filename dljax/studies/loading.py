"""A trial's directory as Python values again: for notebooks, evaluation and replay."""

import pathlib
import sys
from typing import Any, NamedTuple

from dljax.config import field_names
from dljax.errors import DAMAGED_DATA, FAILED_RUNS, UserError
from dljax.studies.experiment import bind_task, import_experiment
from dljax.studies.study_spec import read_spec
from dljax.training import programs
from dljax.trials import disk
from dljax.trials.metrics_log import Rows, read_rows
from dljax.trials.run_trial import Make, compiled, restore
from dljax.trials.trial import Run, TrialSpec
from dljax.types import Source, State, Task

# Of config.json.
KEYS = {"variant", "runs", "config", "fixed", "strategy", "best_by", "test"}


class Found(NamedTuple):
    """A trial as its directory declares it, what makes its tasks, and its data."""

    directory: pathlib.Path
    trial: TrialSpec
    task: Make
    source: Source


class Loaded(NamedTuple):
    """A trial, loaded.

    runs: the variant and the seed of each. config: the frozen dataclass of the first,
    and `task` its task. step: of the newest checkpoint. state: of all runs, on the
    device, with a leading axis of runs: the last one, and `tested` the one that is
    measured at the end (the same, or each run's best), on `split`: "test", or "valid"
    where it tunes. metrics: the rows of metrics.jsonl. program: its compiled functions.
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


def find(run: str, *, data_dir: str = "") -> Found:
    """Finds the trial of a directory, RUNS/STUDY/TRIAL, and what it was made of.

    Args:
      data_dir: where its data set is prepared now; default where it was.

    Raises:
      UserError: it is not a trial's directory, or its data are other ones now.
    """
    directory = pathlib.Path(run).expanduser().absolute()
    kept = disk.read_json(directory / "config.json")
    if not (directory / "config.json").is_file():
        raise UserError(f"{run}: no config.json there; give the directory of a trial")
    if not isinstance(kept, dict) or not kept.keys() >= KEYS:
        raise UserError(
            f"{directory / 'config.json'}: is damaged; the study's command writes it "
            "anew if DONE is moved away",
            DAMAGED_DATA,
        )
    spec = read_spec(directory.parent)
    if spec is None:
        raise UserError(
            f"{directory.parent}: no study.json there; a trial needs its study"
        )
    experiment = import_experiment(spec.module)
    if experiment.measure:
        raise UserError(f"{run}: holds measured times, and no network; nothing to load")
    fields = field_names(experiment.config, "science", "logging", "environment")
    if others := ", ".join(sorted(kept["config"].keys() - fields)):
        raise UserError(f"{run}: {spec.module} had other flags then: {others}")
    config = experiment.config(
        **kept["config"] | ({"data_dir": data_dir} if data_dir else {})
    )
    source = experiment.source(config)
    data = [source.name, source.version, source.fingerprint]
    if data != kept["fixed"]["data"]:
        raise UserError(
            f"{run}: was made from the data {' '.join(kept['fixed']['data'])}; "
            f"here they are {' '.join(data)}",
            DAMAGED_DATA,
        )
    trial = TrialSpec(
        name=directory.name,
        variant=kept["variant"],
        config=config,
        runs=tuple(Run(*run) for run in kept["runs"]),
        fixed=kept["fixed"],
        strategy=kept["strategy"],
        rule_sha256=spec.rule_sha256,
        task_sha256=experiment.task_sha256,
        best_by=tuple(kept["best_by"]) if kept["best_by"] else None,
        test=kept["test"],
    )
    task = bind_task(experiment, config, source, trial.runs[0].numbers)
    return Found(directory, trial, task, source)


def writable(run: str) -> pathlib.Path:
    """The directory that a card's --run names, and writes to.

    Raises:
      UserError: none is named or there, or it cannot be written to.
    """
    if not run:
        raise UserError("--run: give a trial's directory, RUNS/STUDY/TRIAL")
    directory = pathlib.Path(run).expanduser().absolute()
    if not directory.is_dir():
        raise UserError(f"--run={run}: no such directory")
    disk.check_writable(directory, "run")
    return directory


def load(run: str) -> Loaded:
    """Loads a trial's directory, RUNS/STUDY/TRIAL, which stays as it is.

    Raises:
      UserError: see `find`; or no whole checkpoint is in it.
    """
    directory, trial, task, source = find(run)
    program = compiled(trial, task, source)
    restored = restore(trial, program, directory, log=_warn, resume=False)
    if restored is None:
        raise UserError(f"{directory}: no checkpoint in it", FAILED_RUNS)
    kept = program.to_devices(restored.tree)
    return Loaded(
        directory,
        trial.variant,
        trial.runs,
        trial.config,
        task(trial.runs[0].numbers),
        source,
        program,
        restored.step,
        kept.state,
        kept.selected,
        "test" if trial.test else "valid",
        read_rows(directory / "metrics.jsonl"),
    )


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)
