"""Rows elsewhere: TensorBoard's files, and the hook of one function."""

import struct

import digits_experiment
import pytest
from conftest import Quiet
from study_fixtures import parse, read_lines, run, trials

from dljax.errors import DONE, PREEMPTED
from dljax.launch.run_study import run_study
from dljax.studies.experiment import import_experiment

SHORT = ("--width=0", "--activation=relu", "--steps=60", "--seeds=2", "--log_every=5")


@pytest.fixture(scope="module")
def found():
    experiment = import_experiment(digits_experiment.__file__)
    return experiment._replace(study=experiment.study._replace(tune={}))


def scalars(path):
    """{(tag, step): value} of an event file: records of length, crc, data, crc."""
    from tensorboardX.proto.event_pb2 import Event

    raw, values = path.read_bytes(), {}
    while raw:
        (length,) = struct.unpack("<Q", raw[:8])
        event = Event.FromString(raw[12 : 12 + length])
        for value in event.summary.value:
            assert (value.tag, event.step) not in values, "written twice"
            values[value.tag, event.step] = value.simple_value
        raw = raw[16 + length :]
    return values


def stop_at(count):
    """Asks to stop when it is asked for the `count`th time."""
    calls = iter(range(1, 1000))
    return lambda: next(calls) == count


def test_every_row_is_there_once_after_a_resume(tmp_path, found):
    more = (*SHORT, "--tensorboard")
    asked = parse(found, *more, f"--workdir={tmp_path}")
    assert run_study(found, asked, stop=stop_at(6), progress=Quiet()) == PREEMPTED
    assert run_study(found, asked, stop=lambda: False, progress=Quiet()) == DONE
    (place,) = trials(tmp_path).values()
    for seed in (0, 1):
        (path,) = (place / f"tensorboard/0-relu-seed{seed}").iterdir()
        expected = {
            (f"{row['split']}/{name}", row["step"]): value
            for row in read_lines(place / "metrics.jsonl")
            if row["seed"] == seed
            for name, value in row.items()
            if name not in ("step", "seed", "variant", "split")
        }
        assert scalars(path) == pytest.approx(expected)


def test_hook_receives_the_rows_of_the_log(tmp_path, found):
    told = []
    hooked = found._replace(log=lambda directory, rows: told.append((directory, rows)))
    run(hooked, tmp_path, *SHORT)
    (place,) = trials(tmp_path).values()
    assert {directory for directory, _ in told} == {place}
    assert [row for _, rows in told for row in rows] == read_lines(
        place / "metrics.jsonl"
    )
