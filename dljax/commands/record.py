"""Writes the result of a finished study as one JSON file.

WORKDIR is a study's directory. The file is DIR/NAME-DATASET.json; it holds the spec,
the values per seed, intervals, contrasts and the verdict, with versions, hardware,
minutes and date. Tables and figures of the documentation are generated from these
files, and `dljax list` shows their verdicts. Only a study whose rule gives a verdict is
recorded: of the full size, finished, without failed runs, under an unchanged rule. A
file that is there is replaced; its notes, which are written by hand, stay.
"""

import dataclasses
import pathlib

from dljax.commands.arguments import parse
from dljax.config import flag
from dljax.errors import DAMAGED_DATA, DISK, DONE, FAILED_RUNS
from dljax.errors import EXIT_CODES as MEANINGS

USAGE = "WORKDIR [--out=DIR]"
EXIT_CODES = {code: MEANINGS[code] for code in (DONE, FAILED_RUNS, DAMAGED_DATA, DISK)}
EXAMPLES = ("dljax record runs/cnn_vs_mlp-digits",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags of `dljax record`."""

    out: str = flag("experiments/results", "directory of the file")


def main(arguments: list[str]) -> int:
    """Runs `dljax record`; returns the exit code.

    Raises:
      UserError: WORKDIR holds no study, or no verdict is given on it.
    """
    (workdir,), config = parse("record", USAGE, arguments, Config)
    from dljax.errors import UserError

    directory = pathlib.Path(workdir).expanduser().absolute()
    if not directory.is_dir():
        raise UserError(
            "no-such-directory", f"{workdir}: no such directory; give a study's"
        )
    from dljax.studies import recorded_results
    from dljax.studies.experiment import import_experiment
    from dljax.studies.recording import record_study
    from dljax.studies.study_spec import read_spec
    from dljax.trials.disk import check_writable, explain_disk_errors

    spec = read_spec(directory)
    if spec is None:
        raise UserError(
            "not-a-study", f"{directory}: no study.json there; give a study's directory"
        )
    result = record_study(import_experiment(spec.module), directory, spec)
    folder = pathlib.Path(config.out).expanduser()
    check_writable(folder, "out")
    path = folder / f"{result.name}.json"
    if path.is_file():
        notes = recorded_results.read(path).notes
        result = dataclasses.replace(result, notes=notes)
    with explain_disk_errors(folder):
        recorded_results.write(path, result)
    print(f"{result.verdict}: {path}")
    return DONE
