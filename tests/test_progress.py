"""Progress lines on a stderr that is not a terminal."""

import re

import pytest

from dljax.trials import progress
from dljax.trials.trial import Run, TrialSpec


@pytest.fixture
def clock(monkeypatch):
    """[seconds]: the monotonic clock, set by the test."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def numbers(line):
    """The numbers of a progress line."""
    assert line.startswith("cnn: ")
    return re.findall(r"[\d.]+\d|\d", line)


def test_a_line_is_written_every_ten_seconds(clock, capsys):
    bar = progress.TerminalProgress()
    bar.start(100, 20, "cnn")
    for step in range(21, 61):
        clock[0] += 1
        bar.update(step, {"loss": 0.5, "grad_norm": 2.0})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert numbers(lines[0]) == ["30", "100", "0.5", "1.0", "70"]


def test_remaining_time_excludes_compilation(clock, capsys):
    bar = progress.TerminalProgress()
    bar.start(100, 0, "cnn")
    for step, secs in ((1, 60), (2, 1)):
        clock[0] += secs
        bar.update(step, {"loss": 0.5})
    (line,) = capsys.readouterr().err.splitlines()
    assert numbers(line) == ["2", "100", "0.5", "1.0", "98"]


@pytest.mark.parametrize(("secs", "lines"), [(11, 1), (5, 0)])
def test_the_end_of_a_long_training_is_reported(clock, capsys, secs, lines):
    bar = progress.TerminalProgress()
    bar.start(22, 0, "cnn")
    clock[0] += secs
    bar.update(22, {"loss": 0.5})
    printed = capsys.readouterr().err.splitlines()
    assert [numbers(line) for line in printed] == [["22", "22", "0.5", "2.0"]] * lines


@pytest.mark.parametrize(
    ("label", "numbers", "parts"),
    [
        ("se/raw", [{}], ["se", "raw"]),
        ("se/rate", [{"rate": 0.1}, {"rate": 0.2}], ["se", "2", "levels", "rate"]),
        ("rate/se", [{"rate": 0.1}], ["se", "1", "level", "rate"]),
        ("rate tuning", [{"rate": 0.1}], ["1", "level", "rate", "tuning"]),
    ],
)
def test_a_title_counts_the_levels_of_vmapped_factors(label, numbers, parts):
    runs = tuple(Run(f"v{i}", 0, n) for i, n in enumerate(numbers))
    trial = TrialSpec(
        name="",
        variant=label,
        config=None,
        runs=runs,
        fixed={},
        strategy="",
        rule_sha256="",
    )
    assert [w for w in re.findall(r"\w+", trial.title) if w != "of"] == parts
