"""generators_compared: all models match in weights and operations."""

import numpy as np
import pytest

from dljax.datasets.array_dataset import ArrayDataset
from dljax.sources import loading, resident
from dljax.training import cost
from experiments import generators_compared as compared

SHAPES = {"digits": (8, 16), "mnist": (28, 255)}  # side, and the largest value


@pytest.fixture(params=["digits", pytest.param("mnist", marks=pytest.mark.long)])
def dataset(request, monkeypatch):
    """The name of a data set, replaced by sixty random images."""
    side, largest = SHAPES[request.param]
    rng, rows = np.random.default_rng(0), np.arange(60)
    images = rng.integers(0, largest + 1, (60, side, side, 1)).astype(np.uint8)
    arrays = {"image": images, "label": rows.astype(np.int32) % 10}
    names = tuple("0123456789")
    table = ArrayDataset(request.param, "1", arrays, {"train": rows}, names, largest)
    monkeypatch.setattr(loading, "load_dataset", lambda config: table)
    monkeypatch.setattr(loading, "load_source", lambda config: resident.resident(table))
    return request.param


@pytest.mark.parametrize("kind", compared.KINDS)
def test_models_match_in_weights_and_operations(dataset, kind):
    config = compared.Config(dataset=dataset, model=kind, gflop=20_000)
    source = compared.source(config)
    task = compared.task(config, source, {})
    diffusion = compared.Config(dataset=dataset)
    expected = compared.task(diffusion, compared.source(diffusion), {})
    weights, expected_weights = (
        cost.count_parameters(t).total for t in (task, expected)
    )
    assert weights == pytest.approx(expected_weights, rel=0.05)
    updates = config.updates(0)
    counted = cost.count_flops(task, source, config.batch_size)
    assert counted is not None
    assert updates * counted == pytest.approx(1e9 * config.gflop, rel=0.02)
    assert compared.Config(dataset=dataset, model=kind, steps=7).updates(0) == 7
