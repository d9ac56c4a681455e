"""Lists the experiments by family, with their claims and verdicts.

The list has the experiments of dljax and those of the current project: the scripts in
experiments/ below the current directory that define a STUDY. A verdict is that of the
committed results (experiments/results); "-" stands for a data set without one. NAME
restricts the list to one family of networks, for example "recurrent", or to the
experiments whose names contain NAME, for example "adding".
"""

import dataclasses
import importlib
import importlib.util
import pathlib
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from types import ModuleType

from dljax.commands.arguments import MANY, parse
from dljax.config import flag
from dljax.errors import DAMAGED_DATA, DONE, UserError, closest_match, first_line
from dljax.errors import EXIT_CODES as MEANINGS
from dljax.studies import recorded_results, shipped_experiments
from dljax.studies.experiment import import_script, of_module
from dljax.studies.study import VERDICTS, Study

USAGE = "[NAME] [--verdict=supported|refuted|undecided]"
EXIT_CODES = {code: MEANINGS[code] for code in (DONE, DAMAGED_DATA)}
EXAMPLES = (
    "dljax list",
    "dljax list recurrent",
    "dljax list adding",
    "dljax list --verdict=refuted",
)
NO_VERDICT = "-"
OTHERS = "other"  # the family of a study that names none
MAX_WIDTH = 100  # columns


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags of `dljax list`."""

    verdict: str = flag("", "only experiments with this verdict", choices=VERDICTS)


@dataclasses.dataclass(frozen=True)
class Entry:
    """An experiment of the list.

    Attributes:
      name: the name below the package, as "reference.adding"; of a project's
        experiment, the script's path.
      study: its declaration.
      verdicts: {data set: verdict}, `NO_VERDICT` without a result.
    """

    name: str
    study: Study
    verdicts: Mapping[str, str]


def main(arguments: list[str]) -> int:
    """Runs `dljax list`; returns the exit code.

    Raises:
      UserError: no family or experiment has this name, or a damaged file of results.
    """
    words, config = parse("list", USAGE, arguments, Config, count=(0, MANY))
    families = by_family([*shipped_entries(), *project_entries()])
    if words:
        families = select(families, " ".join(words))
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
    for family, entries in families.items():
        selected = [
            entry
            for entry in entries
            if not config.verdict or config.verdict in entry.verdicts.values()
        ]
        if selected:
            print(f"{family}\n")
            for entry in selected:
                print(f"{format_entry(entry, width)}\n")
    prefix = shipped_experiments.command_prefix()
    print(f"Run one: python -m {prefix}.NAME (add --help for its flags)")
    return DONE


def shipped_entries() -> list[Entry]:
    """The experiments that come with dljax."""
    directory = shipped_experiments.directory()
    verdicts = _recorded_verdicts(directory / "results")
    entries = []
    for path in shipped_experiments.scripts(directory):
        name = shipped_experiments.module_name(path, directory)
        module = shipped_experiments.import_module(name)
        entries.append(_entry(name, module, verdicts.get(name, {})))
    return entries


def project_entries() -> list[Entry]:
    """The experiments of the current project, without those that come with dljax.

    A script that cannot be imported is named on stderr and left out.
    """
    root = pathlib.Path.cwd()
    directory = root / "experiments"
    if not directory.is_dir() or directory.resolve() == shipped_experiments.directory():
        return []
    verdicts = _recorded_verdicts(directory / "results")
    entries = []
    for path in shipped_experiments.scripts(directory):
        try:
            module = _import_script(path, shipped_experiments.module_name(path, root))
            recorded = verdicts.get(
                shipped_experiments.module_name(path, directory), {}
            )
            entries.append(_entry(str(path.relative_to(root)), module, recorded))
        except Exception as error:  # a project's own code may raise anything
            print(f"warning: {path}: {first_line(error)}", file=sys.stderr)
    return entries


def by_family(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """{family: its entries}, sorted by name."""
    families: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.name):
        families.setdefault(entry.study.family or OTHERS, []).append(entry)
    return dict(sorted(families.items()))


def format_entry(entry: Entry, width: int) -> str:
    """An experiment as lines: its name, its verdicts and its claim.

    Args:
      entry: the experiment.
      width: columns of the terminal.
    """
    verdicts = ", ".join(f"{name}: {value}" for name, value in entry.verdicts.items())
    lines = textwrap.wrap(
        f"{entry.name:<24}  {verdicts}",
        width,
        initial_indent="  ",
        subsequent_indent=" " * 28,
    )
    return "\n".join(
        [
            *lines,
            textwrap.fill(
                entry.study.claim,
                width,
                initial_indent=" " * 4,
                subsequent_indent=" " * 4,
            ),
        ]
    )


def select(families: Mapping[str, list[Entry]], name: str) -> dict[str, list[Entry]]:
    """The entries of one family, or those whose names contain `name`.

    Raises:
      UserError: no family has this name, and no experiment's name contains it.
    """
    if name in families:
        return {name: families[name]}
    named = {
        family: [entry for entry in entries if name in entry.name]
        for family, entries in families.items()
    }
    if any(named.values()):
        return named
    experiments = [entry.name for entries in families.values() for entry in entries]
    near = closest_match(name, [*families, *experiments])
    hint = f"did you mean {near}? " if near else ""
    raise UserError(
        "unknown-family",
        f"dljax list {name}: no family has this name, and no experiment's name "
        f"contains it; {hint}families are {', '.join(families)}",
    )


def _import_script(path: pathlib.Path, name: str) -> ModuleType:
    """Imports a project's script by its dotted name, so that relative imports work."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        spec = None
    if spec and spec.origin and path.samefile(spec.origin):
        return importlib.import_module(name)
    return import_script(path)


def _entry(name: str, module: ModuleType, recorded: Mapping[str, str]) -> Entry:
    """The entry of an imported experiment.

    Args:
      name: the name in the list.
      module: the experiment.
      recorded: {data set: verdict}.
    """
    experiment = of_module(module)
    study = experiment.study
    datasets = [experiment.config().dataset, *study.default_is_full, *study.full]
    return Entry(name, study, {**dict.fromkeys(datasets, NO_VERDICT), **recorded})


def _recorded_verdicts(directory: pathlib.Path) -> dict[str, dict[str, str]]:
    """{experiment: {data set: verdict}} of a directory's recorded results."""
    verdicts: dict[str, dict[str, str]] = {}
    for result in recorded_results.read_all(directory):
        verdicts.setdefault(result.experiment, {})[result.dataset] = result.verdict
    return verdicts
