"""python -m dljax.report WORKDIR: writes a study's report again, from its trials."""

import pathlib
import sys


def main(arguments: list[str]) -> int:
    """Raises Refusal where WORKDIR is not a study's directory."""
    from dljax.errors import DONE, Refusal
    from dljax.runs.disk import check_writable, refusals
    from dljax.studies import report
    from dljax.studies.declaration import read_study
    from dljax.studies.experiment import import_experiment

    if "--help" in arguments:
        print(__doc__)
        return DONE
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise Refusal("usage: python -m dljax.report WORKDIR")
    directory = pathlib.Path(arguments[0]).expanduser().absolute()
    declared = read_study(directory)
    if declared is None:
        raise Refusal(f"{arguments[0]}: no study.json there; give a study's directory")
    check_writable(directory, "workdir")
    experiment = import_experiment(declared["module"])
    with refusals(directory):
        summary = report.write(experiment, directory, declared)
    print(report.text(summary, directory))
    return DONE


if __name__ == "__main__":
    from dljax.cli import guarded

    sys.exit(guarded(lambda: main(sys.argv[1:])))
