"""What a person sees of a run that is no terminal's."""

import pytest

from dljax.trials import progress


@pytest.fixture
def clock(monkeypatch):
    """[seconds]: what the clock shows."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_is_written_every_ten_seconds(clock, capsys):
    bar = progress.TerminalProgress()
    bar.start(100, 20, "cnn")
    for step in range(21, 61):
        clock[0] += 1
        bar.update(step, {"loss": 0.5, "grad_norm": 2.0})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0] == "cnn: step 30/100, loss 0.5, 1.0 steps/s, 70 s left"


def test_remaining_time_excludes_compilation(clock, capsys):
    bar = progress.TerminalProgress()
    bar.start(100, 0, "cnn")
    for step, secs in ((1, 60), (2, 1)):
        clock[0] += secs
        bar.update(step, {"loss": 0.5})
    line = "cnn: step 2/100, loss 0.5, 1.0 steps/s, 98 s left\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(("secs", "said"), [(11, True), (5, False)])
def test_long_test_is_announced(clock, capsys, secs, said):
    bar = progress.TerminalProgress()
    bar.start(22, 0, "cnn")
    clock[0] += secs
    bar.update(22, {"loss": 0.5})
    line = "cnn: step 22/22, loss 0.5, 2.0 steps/s, testing\n"
    assert capsys.readouterr().err == (line if said else "")
