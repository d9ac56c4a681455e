"""An experiment's script as a record, and its import by name."""

import importlib
import importlib.util
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from dljax import config as configs
from dljax.errors import UserError
from dljax.studies import shipped_experiments
from dljax.studies.check import check
from dljax.studies.rule import task_hash
from dljax.studies.study import Study

if TYPE_CHECKING:  # wrong flags are reported before jax is imported
    from dljax.types import Source, Task

Sink = Callable[[pathlib.Path, list[dict[str, Any]]], None]


class Experiment(NamedTuple):
    """The definitions of an experiment's script.

    name: the file's name without ".py". module: the name or path to import it by.
    doc: the docstring of the script.
    config: the Config class. study: the validated STUDY.
    task: task(config, source, numbers) -> Task. numbers: the levels of the vmapped
      factors, traced.
    source: source(config) -> Source.
    log: the script's optional log(directory, rows). Called with the rows appended to a
      trial's metrics.jsonl, for example to send them to another service; after a
      resume, called again with the rows since the checkpoint.
    task_sha256: see `rule.task_hash`.
    measure: the optional `measure` of a benchmark study; see `benchmark_study`.
    """

    name: str
    module: str
    doc: str
    config: type
    study: Study
    task: "Callable[[Any, Source, Mapping[str, Any]], Task]"
    source: "Callable[[Any], Source]"
    log: Sink
    task_sha256: str
    measure: Callable[..., Any] | None = None


def of_module(module: Any) -> Experiment:
    """Returns the experiment that an imported script defines.

    Raises:
      UserError: the script has a mistake; see `check`.
    """
    study = check(module)
    spec = getattr(module, "__spec__", None)
    path = pathlib.Path(module.__file__)
    name = spec.name if spec else str(path)
    return Experiment(
        name=path.stem,
        module=name,
        doc=module.__doc__ or "",
        config=module.Config,
        study=study,
        task=module.task,
        source=module.source,
        log=getattr(module, "log", lambda directory, rows: None),
        task_sha256=task_hash(path.read_text("utf-8"), study.rule.__name__),
        measure=getattr(module, "measure", None),
    )


def parse_request(
    experiment: Experiment, arguments: Sequence[str]
) -> configs.StudyRequest:
    """Parses the arguments of an experiment's command line.

    Args:
      arguments: the command line without the name of the program.

    Raises:
      UserError: a flag is unknown or has a bad value; see `config.parse`.
    """
    study, dataset = experiment.study, experiment.config().dataset
    return configs.parse(
        experiment.config,
        arguments,
        factors=study.factors,
        defaults=lambda explicit: study.defaults(explicit, dataset),
    )


def bind_task(
    experiment: Experiment, config: Any, source: "Source", numbers: Mapping[str, Any]
) -> "Callable[[Mapping[str, Any]], Task]":
    """Binds an experiment's task to a config and a source.

    Without vmapped factors the task is built once, before tracing.

    Args:
      numbers: the levels of the vmapped factors of any run; only the names are used.

    Returns:
      a function of `numbers`, the levels of the vmapped factors, traced or not, that
      returns the task.

    Raises:
      UserError: by the returned function, if the task does not read one of `numbers`:
        all levels of that factor would train the same network.
    """
    if not numbers:
        task = experiment.task(config, source, numbers)
        return lambda numbers: task

    def make(numbers: Mapping[str, Any]) -> "Task":
        read = Numbers(numbers)
        task = experiment.task(config, source, read)
        if unread := numbers.keys() - read.names:
            raise UserError(
                "number-not-read",
                f"task: does not read numbers[{min(unread)!r}]; read it, or remove the "
                "name from STUDY.vmapped_factors",
            )
        return task

    return make


class Numbers(dict):
    """The levels of the vmapped factors; records the `names` that are read."""

    def __init__(self, numbers: Mapping[str, Any]):
        super().__init__(numbers)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Returns the level, or the default if the field is not a vmapped factor."""
        self.names.add(name)
        return super().get(name, default)


def import_experiment(name: str) -> Experiment:
    """Imports the experiment that a study.json names.

    Args:
      name: a module's name or a script's path. `experiments.NAME`, as a checkout of
        dljax records it, is also found where dljax is installed.

    Raises:
      UserError: there is no such module or script.
    """
    if name.endswith(".py"):
        return of_module(import_script(pathlib.Path(name)))._replace(module=name)
    try:
        return of_module(importlib.import_module(name))
    except ModuleNotFoundError as error:
        short = name.removeprefix(f"{shipped_experiments.PACKAGE}.")
        short = short.removeprefix("experiments.")
        if short != name and shipped_experiments.has(short):
            return of_module(shipped_experiments.import_module(short))
        raise UserError(
            "no-experiment",
            f"{name}: {error}; run the command in the directory of the experiment's "
            "project",
        ) from None


def import_script(path: pathlib.Path) -> ModuleType:
    """Imports an experiment's script by its path.

    Raises:
      UserError: there is no such script.
    """
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UserError(
            "no-experiment", f"{path}: no such script; move the experiment back there"
        )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
