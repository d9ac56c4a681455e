"""Damage to any file of a finished study: one line or no harm, never a traceback."""

import shutil

import pytest
from study_fixtures import run, trials

from dljax.commands import evaluate, replay, report
from dljax.errors import DAMAGED_DATA, UserError

SHORT = ("--family=gan", "--seeds=1", "--steps=20")
FILES = (
    *("study.json", "T/config.json", "T/manifest.json", "T/metrics.jsonl"),
    *("T/samples.npz", "T/DONE", "T/LOCK", "T/timing.jsonl"),
)
CONTENTS = {"junk": b"junk\n", "empty": b"", "object": b"{}\n", "gone": None}


@pytest.fixture(scope="module")
def study(tmp_path_factory, experiment):
    directory = tmp_path_factory.mktemp("study")
    run(experiment, directory, *SHORT)
    return directory


def _cases():
    """Every file with every content; in the short suite each has its turn."""
    for i, file in enumerate(FILES):
        for j, content in enumerate(CONTENTS):
            short = j == i % len(CONTENTS)
            marks = () if short else pytest.mark.long
            yield pytest.param(file, content, marks=marks, id=f"{file}-{content}")


@pytest.mark.parametrize(("file", "content"), [*_cases()])
def test_damage_is_one_line_or_no_harm(study, tmp_path, experiment, file, content):
    work = tmp_path / "work"
    shutil.copytree(study, work)
    (trial,) = trials(work).values()
    path = work / file.replace("T", trial.name)
    path.unlink(missing_ok=True)
    if (raw := CONTENTS[content]) is not None:
        path.write_bytes(raw)
    commands = {
        "report": lambda: report.main([str(work)]),
        "evaluate": lambda: evaluate.main([str(trial)]),
        "study": lambda: run(experiment, work, *SHORT),
    }
    if file == "T/metrics.jsonl":
        commands = {"replay": lambda: replay.main([str(trial)]), **commands}
    errors = {}
    for name, command in commands.items():
        try:
            command()
        except UserError as error:
            errors[name] = error
    for error in errors.values():
        assert "\n" not in str(error)
        assert str(work) in str(error)
    codes = {name: error.code for name, error in errors.items()}
    if file == "T/metrics.jsonl":
        assert {"report", "study"} <= codes.keys()
        assert "evaluate" in codes or content == "empty"  # no rows to compare with
        assert codes["study"] == DAMAGED_DATA
        assert "replay" not in codes
    if file == "study.json" and content != "gone":
        assert set(codes.values()) == {DAMAGED_DATA}
        assert codes.keys() == commands.keys()


@pytest.mark.parametrize("command", [evaluate, replay, report])
def test_a_file_is_no_directory(study, command):
    with pytest.raises(UserError):
        command.main([str(study / "study.json")])
