"""Writes the report of a study, compares several studies, or lists all in a directory.

WORKDIR is a study's directory. With one WORKDIR the command writes its report again
from its trials. With several, which have the same primary metric, it compares the
others with the first and writes A_vs_B.html beside the first directory. With --index
it writes index.html, a page that links the reports of all studies below a directory.
"""

import dataclasses
import pathlib

from dljax.commands.arguments import MANY, parse, usage_error
from dljax.config import flag
from dljax.errors import DAMAGED_DATA, DISK, DONE
from dljax.errors import EXIT_CODES as MEANINGS

USAGE = "WORKDIR... | --index=DIR"
EXIT_CODES = {code: MEANINGS[code] for code in (DONE, DAMAGED_DATA, DISK)}
EXAMPLES = (
    "dljax report runs/cnn_vs_mlp-digits",
    "dljax report runs/cnn_vs_mlp-digits runs/cnn_vs_mlp-mnist",
    "dljax report --index=runs",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags of `dljax report`."""

    index: str = flag("", "directory whose studies are listed, in DIR/index.html")


def main(arguments: list[str]) -> int:
    """Runs `dljax report`; returns the exit code.

    Raises:
      UserError: a directory is missing, holds no study, or is not writable.
    """
    names, config = parse("report", USAGE, arguments, Config, count=(0, MANY))
    if bool(names) == bool(config.index):
        raise usage_error("report", USAGE, arguments)
    from dljax.reporting import compare_studies
    from dljax.trials.disk import check_writable, explain_disk_errors

    if config.index:
        folder = _directory(config.index)
        check_writable(folder, "index")
        with explain_disk_errors(folder):
            print(compare_studies.index(folder))
        return DONE
    directories = [_directory(name) for name in names]
    if len(directories) == 1:
        return _write_report(directories[0])
    folder = directories[0].parent
    check_writable(folder, "workdir")
    with explain_disk_errors(folder):
        reports = [compare_studies.read(directory) for directory in directories]
        path, text = compare_studies.compare(reports, folder)
    print(f"{text}\n\n{path}")
    return DONE


def _directory(name: str) -> pathlib.Path:
    from dljax.errors import UserError

    path = pathlib.Path(name).expanduser().absolute()
    if not path.is_dir():
        raise UserError(
            "no-such-directory", f"{name}: no such directory; give a study's directory"
        )
    return path


def _write_report(directory: pathlib.Path) -> int:
    """Writes one study's report and prints the summary; returns the exit code."""
    from dljax.errors import UserError
    from dljax.reporting import report
    from dljax.studies.experiment import import_experiment
    from dljax.studies.study_spec import read_spec
    from dljax.trials.disk import check_writable, explain_disk_errors

    spec = read_spec(directory)
    if spec is None:
        raise UserError(
            "not-a-study", f"{directory}: no study.json; give a study's directory"
        )
    check_writable(directory, "workdir")
    experiment = import_experiment(spec.module)
    with explain_disk_errors(directory):
        summary = report.write(experiment, directory, spec)
    print(report.text(summary, directory))
    return DONE
