"""A trial's directory as Python values again: for notebooks, and for evaluation."""

import json
import pathlib
from typing import Any, NamedTuple

from dljax.contract import Source, State, Task
from dljax.errors import FAILED_RUNS, Refusal
from dljax.runs.checkpoint import Checkpoints
from dljax.studies.experiment import import_experiment
from dljax.studies.launch import read_study
from dljax.studies.results import Rows, read_rows
from dljax.train import parallel


class Run(NamedTuple):
    """A trial, loaded.

    config: the frozen dataclass of its variant. step: of the newest checkpoint. state:
    of all seeds, on the device, with a leading seed axis. metrics: the rows of
    metrics.jsonl. program: its compiled functions.
    """

    directory: pathlib.Path
    variant: str
    seeds: tuple[int, ...]
    config: Any
    task: Task
    source: Source
    program: parallel.Program
    step: int
    state: State
    metrics: Rows


def load(run: str) -> Run:
    """Loads a trial's directory, RUNS/STUDY/TRIAL.

    Raises:
      Refusal: it is not a trial's directory, or no checkpoint is in it.
    """
    directory = pathlib.Path(run).expanduser().absolute()
    path = directory / "config.json"
    if not path.is_file():
        raise Refusal(f"{run}: no config.json there; give the directory of a trial")
    kept = json.loads(path.read_text())
    study = read_study(directory.parent)
    if study is None:
        raise Refusal(
            f"{directory.parent}: no study.json there; a trial needs its study"
        )
    experiment = import_experiment(study["module"])
    config = experiment.config(**kept["config"])
    task, source = experiment.task(config), experiment.source(config)
    seeds = tuple(kept["seeds"])
    program = parallel.program(
        task, source, seeds, how=kept["lowering"], batch_size=config.batch_size
    )
    checkpoints = Checkpoints(directory / "checkpoints")
    restored = checkpoints.restore(program.take(program.init()))
    checkpoints.close()
    if restored is None:
        raise Refusal(f"{directory}: no checkpoint in it", FAILED_RUNS)
    return Run(
        directory,
        kept["variant"],
        seeds,
        config,
        task,
        source,
        program,
        restored.step,
        program.put(restored.state),
        read_rows(directory / "metrics.jsonl"),
    )
