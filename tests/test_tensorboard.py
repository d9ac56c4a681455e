"""Rows of metrics outside metrics.jsonl: TensorBoard files, and a script's log()."""

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
def experiment():
    experiment = import_experiment(digits_experiment.__file__)
    return experiment._replace(study=experiment.study._replace(tune={}))


def scalars(path):
    """{(tag, step): value} of an event file.

    A record is its length (8 bytes), a checksum (4), the data and a checksum (4).
    """
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
    """A `stop` that is true at its call number `count`."""
    calls = iter(range(1, 1000))
    return lambda: next(calls) == count


def test_every_row_is_written_once_despite_a_resume(tmp_path, experiment):
    more = (*SHORT, "--tensorboard")
    request = parse(experiment, *more, f"--workdir={tmp_path}")
    assert (
        run_study(experiment, request, stop=stop_at(6), progress=Quiet()) == PREEMPTED
    )
    assert run_study(experiment, request, stop=lambda: False, progress=Quiet()) == DONE
    (trial,) = trials(tmp_path).values()
    for seed in (0, 1):
        (path,) = (trial / f"tensorboard/0-relu-seed{seed}").iterdir()
        expected = {
            (f"{row['split']}/{name}", row["step"]): value
            for row in read_lines(trial / "metrics.jsonl")
            if row["seed"] == seed
            for name, value in row.items()
            if name not in ("step", "seed", "variant", "split")
        }
        assert scalars(path) == pytest.approx(expected)


def test_hook_receives_the_rows_of_the_log(tmp_path, experiment):
    calls = []
    hooked = experiment._replace(log=lambda *arguments: calls.append(arguments))
    run(hooked, tmp_path, *SHORT)
    (trial,) = trials(tmp_path).values()
    assert {directory for directory, _ in calls} == {trial}
    assert [row for _, rows in calls for row in rows] == read_lines(
        trial / "metrics.jsonl"
    )
