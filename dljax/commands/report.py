"""dljax report WORKDIR: writes a study's report again, from its trials.

dljax report A B C: compares studies of the same primary metric with the first, in
A_vs_B_vs_C.html next to its directory.
dljax report --index DIR: a page that lists all studies below, DIR/index.html.
"""

import pathlib

from absl import flags


def main(arguments: list[str]) -> int:
    """Writes the report, the comparison or the index; returns the exit code.

    Raises:
      UserError: a directory is missing, or holds no study.
    """
    from dljax.errors import DONE, UserError
    from dljax.trials.disk import check_writable, explain_disk_errors

    usage = "usage: dljax report WORKDIR..., or --index DIR"
    parser = flags.FlagValues()
    flags.DEFINE_string("index", None, "", flag_values=parser)
    try:
        names = parser(["", *arguments])[1:]
    except flags.Error as error:
        raise UserError("usage", f"{' '.join(str(error).split())}; {usage}") from None
    if bool(names) == bool(root := parser["index"].value):
        raise UserError("usage", usage)
    from dljax.reporting import compare_studies

    if root:
        folder = _directory(root)
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
        raise UserError("no-such-directory", f"{name}: no such directory")
    return path


def _write_report(directory: pathlib.Path) -> int:
    """Writes one study's report again."""
    from dljax.errors import DONE, UserError
    from dljax.reporting import report
    from dljax.studies.experiment import import_experiment
    from dljax.studies.study_spec import read_spec
    from dljax.trials.disk import check_writable, explain_disk_errors

    spec = read_spec(directory)
    if spec is None:
        raise UserError(
            "not-a-study", f"{directory}: no study.json there; give a study's directory"
        )
    check_writable(directory, "workdir")
    experiment = import_experiment(spec.module)
    with explain_disk_errors(directory):
        summary = report.write(experiment, directory, spec)
    print(report.text(summary, directory))
    return DONE
