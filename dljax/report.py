"""python -m dljax.report WORKDIR: writes a study's report again, from its trials.

python -m dljax.report A B C: compares studies of one measure, with the first, in
A_vs_B_vs_C.html beside it.
python -m dljax.report --index DIR: a page that lists all studies below, DIR/index.html.
"""

import pathlib
import sys

from absl import flags


def main(arguments: list[str]) -> int:
    """Raises Refusal where what is named is not a study's directory."""
    from dljax.errors import DONE, Refusal
    from dljax.runs.disk import check_writable, refusals

    if "--help" in arguments:
        print(__doc__)
        return DONE
    usage = "usage: python -m dljax.report WORKDIR..., or --index DIR"
    parser = flags.FlagValues()
    flags.DEFINE_string("index", None, "", flag_values=parser)
    try:
        given = parser(["", *arguments])[1:]
    except flags.Error as error:
        raise Refusal(f"{' '.join(str(error).split())}; {usage}") from None
    if bool(given) == bool(root := parser["index"].value):
        raise Refusal(usage)
    from dljax.studies import overview

    if root:
        place = _directory(root)
        check_writable(place, "index")
        with refusals(place):
            print(overview.index(place))
        return DONE
    directories = [_directory(name) for name in given]
    if len(directories) == 1:
        return _one(directories[0])
    place = directories[0].parent
    check_writable(place, "workdir")
    with refusals(place):
        studies = [overview.read(directory) for directory in directories]
        path, text = overview.compare(studies, place)
    print(f"{text}\n\n{path}")
    return DONE


def _directory(name: str) -> pathlib.Path:
    from dljax.errors import Refusal

    path = pathlib.Path(name).expanduser().absolute()
    if not path.is_dir():
        raise Refusal(f"{name}: no such directory")
    return path


def _one(directory: pathlib.Path) -> int:
    """Writes one study's report again."""
    from dljax.errors import DONE, Refusal
    from dljax.runs.disk import check_writable, refusals
    from dljax.studies import report
    from dljax.studies.declaration import read_study
    from dljax.studies.experiment import import_experiment

    declared = read_study(directory)
    if declared is None:
        raise Refusal(f"{directory}: no study.json there; give a study's directory")
    check_writable(directory, "workdir")
    experiment = import_experiment(declared["module"])
    with refusals(directory):
        summary = report.write(experiment, directory, declared)
    print(report.text(summary, directory))
    return DONE


if __name__ == "__main__":
    from dljax.cli import guarded

    sys.exit(guarded(lambda: main(sys.argv[1:])))
