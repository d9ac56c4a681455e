"""dljax record WORKDIR [--out=DIR]: writes a finished study's result as one JSON file.

WORKDIR is a study's directory. The file is DIR/NAME-DATASET.json: the spec, the values
per seed, intervals, contrasts and the verdict, with versions, hardware, minutes and
date. DIR is experiments/results by default. Only a study that its rule decides on is
recorded: of the full size, finished, without failed runs, under an unchanged rule.
"""

import pathlib

from absl import flags

RESULTS = "experiments/results"


def main(arguments: list[str]) -> int:
    """Records a study's result; returns the exit code.

    Raises:
      UserError: WORKDIR holds no study, or no verdict is given on it.
    """
    from dljax.errors import DONE, UserError

    workdir, out = _parse(arguments)
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
    folder = pathlib.Path(out).expanduser()
    check_writable(folder, "out")
    path = folder / f"{result.name}.json"
    with explain_disk_errors(folder):
        recorded_results.write(path, result)
    print(f"{result.verdict}: {path}")
    return DONE


def _parse(arguments: list[str]) -> tuple[str, str]:
    from dljax.errors import UserError

    usage = "usage: dljax record WORKDIR [--out=DIR]"
    parser = flags.FlagValues()
    flags.DEFINE_string("out", RESULTS, "", flag_values=parser)
    try:
        names = parser(["", *arguments])[1:]
    except flags.Error as error:
        raise UserError("usage", f"{' '.join(str(error).split())}; {usage}") from None
    if len(names) != 1:
        raise UserError("usage", usage)
    return names[0], str(parser["out"].value)
