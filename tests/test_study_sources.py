"""One command makes each distinct source once, and reads each data set once."""

import dataclasses
import types

from user_errors import user_error

from dljax.config import RunConfig
from dljax.datasets import loading
from dljax.sources.loading import load_source
from dljax.sources.transforms import on_canvas
from dljax.studies.experiment import bind_task
from dljax.studies.study_sources import StudySources


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    canvas: int = 12
    learning_rate: float = 0.1
    centred: bool = False


def test_configs_that_a_source_cannot_tell_apart_share_it(data_dir):
    calls = []

    def source(config):
        calls.append(config)
        if config.canvas == 8:
            return load_source(config)
        return on_canvas(load_source(config), config.canvas, centred=config.centred)

    sources = StudySources(source)
    config = Config(data_dir=data_dir)
    first = sources(config)
    other_rate = dataclasses.replace(config, learning_rate=0.2)
    assert sources(other_rate) is first
    larger = sources(dataclasses.replace(config, canvas=16))
    assert larger is not first
    assert larger.fingerprint != first.fingerprint
    assert sources(dataclasses.replace(config, centred=True)) is not first
    small = sources(dataclasses.replace(config, canvas=8))
    # With this canvas, `centred` is not read.
    assert sources(dataclasses.replace(config, canvas=8, centred=True)) is small
    assert len(calls) == 4
    assert sources(config).fingerprint == source(config).fingerprint


def test_a_data_set_is_read_once_for_all_sources(data_dir, monkeypatch):
    reads = []
    read = loading._load
    monkeypatch.setattr(loading, "_load", lambda at: reads.append(at) or read(at))
    sources = StudySources(lambda config: on_canvas(load_source(config), config.canvas))
    for canvas in (10, 12, 14):
        sources(Config(data_dir=data_dir, canvas=canvas))
    assert len(reads) == 1
    load_source(Config(data_dir=data_dir))  # outside of the command
    assert len(reads) == 2


def test_a_method_of_the_config_reads_its_fields():
    sources = StudySources(lambda config: config.updates(10))
    assert sources(Config(steps=5)) == 5
    assert sources(Config(steps=7)) == 7
    assert sources(dataclasses.replace(Config(steps=7), canvas=9)) == 7


def test_a_source_that_reads_the_config_later_is_refused(data_dir):
    def source(config):
        images = load_source(config)
        return images._replace(order=lambda key, rows: rows[: config.canvas])

    shared = StudySources(source)(Config(data_dir=data_dir))
    with user_error("source-reads-config", "source", "config.canvas"):
        shared.order(None, [0, 1, 2])


def test_a_task_without_vmapped_factors_is_built_once(data_dir):
    numbers_of_calls = []

    def task(config, source, numbers):
        numbers_of_calls.append(dict(numbers))
        return numbers.get("learning_rate", config.learning_rate)

    experiment = types.SimpleNamespace(task=task)
    config = Config(data_dir=data_dir)
    make = bind_task(experiment, config, None, {})
    assert make({}) == make({}) == config.learning_rate
    assert numbers_of_calls == [{}]
    make = bind_task(experiment, config, None, {"learning_rate": 1.0})
    assert [make({"learning_rate": rate}) for rate in (0.2, 0.3)] == [0.2, 0.3]
    assert len(numbers_of_calls) == 3
