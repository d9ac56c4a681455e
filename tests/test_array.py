"""Vmapped factors: equal to single runs, and named in rows, reports and errors."""

import json
import pathlib

import digits_experiment
import jax
import numpy as np
import pytest
from study_fixtures import assert_equal_trees, read_lines, run, trials
from user_errors import user_error

from dljax.commands import evaluate, replay
from dljax.errors import DONE, FAILED_RUNS
from dljax.sources.loading import load_source
from dljax.studies.experiment import import_experiment
from dljax.training import programs
from dljax.trials.compare import IDENTICAL
from dljax.types import Task

RATES = (0.001, 0.003, 0.01, 0.03)
SEEDS = (*range(8),)
CLOSE = {"rtol": 2e-3, "atol": 2e-5}


@pytest.fixture(scope="module")
def packed():
    """The small experiment with the learning rate as a vmapped factor."""
    experiment = import_experiment(digits_experiment.__file__)
    study = experiment.study._replace(
        factors={"width": (4, 8), "learning_rate": RATES},
        contrasts={"faster": ("8/0.01", "8/0.001")},
        tune={},
        rule=lambda faster: "undecided",
    )
    return experiment._replace(study=study)


def program(strategy, rates, seeds, *, traced=True):
    """A program of all rates and seeds; with traced=False the rate is a constant."""
    config = digits_experiment.Config(width=6)
    source = load_source(config)

    def make(numbers):
        return digits_experiment.task(config, source, numbers)

    assert isinstance(make({"learning_rate": 0.01}), Task)
    return programs.make_program(
        make if traced else make({"learning_rate": rates[0]}),
        source,
        [seed for _ in rates for seed in seeds],
        numbers={"learning_rate": [r for r in rates for _ in seeds]}
        if traced
        else None,
        strategy=strategy,
        batch_size=32,
    )


def trained(compiled, steps=40):
    state = compiled.init()
    state, _ = compiled.train_steps(state, compiled.shuffle(state, 0), 0, steps)
    return compiled.to_host(state)


@pytest.fixture(scope="module")
def mapped():
    return trained(program("map", RATES, SEEDS))


def run_of(states, i):
    return jax.tree.map(lambda leaf: leaf[i : i + 1], states)


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **CLOSE), a, b)


def test_mapped_run_equals_single_run_bitwise(mapped):
    alone = trained(program("map", RATES[2:3], SEEDS[3:4]))
    assert_equal_trees(run_of(mapped, 2 * len(SEEDS) + 3), alone)


def test_cores_equal_map_bitwise(mapped):
    assert_equal_trees(mapped, trained(program("cores", RATES, SEEDS)))


@pytest.mark.parametrize("strategy", ["vmap", "shard"])
def test_vmap_equals_map_within_tolerance(mapped, strategy):
    close(mapped, trained(program(strategy, RATES, SEEDS)))


def test_vmapped_factor_equals_constants(mapped):
    for i, rate in enumerate(RATES):
        runs = slice(i * len(SEEDS), (i + 1) * len(SEEDS))
        alone = trained(program("map", (rate,), SEEDS, traced=False))
        close(jax.tree.map(lambda leaf, runs=runs: leaf[runs], mapped), alone)


SHORT = ("--steps=40", "--seeds=2", "--log_every=20")


def times_of_finish(directory):
    """{name of a finished trial: time of its end}."""
    return {
        name: (path / "DONE").stat().st_mtime_ns
        for name, path in trials(directory).items()
    }


def test_added_levels_become_another_trial(tmp_path, packed):
    run(packed, tmp_path, *SHORT, "--learning_rate=0.01,0.001")
    assert sorted(name.rsplit("-", 1)[0] for name in trials(tmp_path)) == [
        "4-learning_rate",
        "8-learning_rate",
    ]
    finished = times_of_finish(tmp_path)
    run(packed, tmp_path, *SHORT)
    extended = times_of_finish(tmp_path)
    assert len(extended) == 4
    assert finished.items() <= extended.items(), "no trial runs again"
    run(packed, tmp_path, *SHORT, "--learning_rate=0.001")
    assert times_of_finish(tmp_path) == extended
    names = {r.split(",")[0] for r in (tmp_path / "results.csv").read_text().split()}
    assert names == {"variant", "4/0.001", "8/0.001"}


def test_rows_and_report_name_every_run(tmp_path, packed, capsys):
    run(packed, tmp_path, *SHORT)
    lines = (tmp_path / "results.csv").read_text().splitlines()
    assert lines[0] == "variant,width,learning_rate,seed,metric,value"
    assert len(lines) == 1 + 2 * 4 * 2 * 2
    report = json.loads((tmp_path / "report.json").read_text())
    assert [r["variant"] for r in report["variants"]][:2] == ["4/0.001", "4/0.003"]
    means = {r["variant"]: r["mean"] for r in report["variants"]}
    added = {(r["factor"], r["level"]): r["mean"] for r in report["effects"]}
    whole = np.mean(list(means.values()))
    width_4 = np.mean([means[f"4/{rate}"] for rate in RATES])
    assert added["width", 4] == pytest.approx(width_4 - whole)
    assert added["width", 4] == pytest.approx(-added["width", 8])
    place = next(iter(trials(tmp_path).values()))
    assert len(read_lines(place / "metrics.jsonl")) % 8 == 0
    assert evaluate.main([str(place)]) == DONE
    printed = capsys.readouterr().out
    rows = [r for r in read_lines(place / "metrics.jsonl") if r["split"] == "test"]
    assert len(rows) == 8
    for row in rows:
        assert f"accuracy {row['accuracy']:.6g} " in printed


def test_diverging_level_fails_alone(tmp_path, packed):
    only = (*SHORT, "--width=4", "--learning_rate=0.01,1e38")
    lines = run(packed, tmp_path, *only, "--locate_nan", code=FAILED_RUNS)
    assert any(line.startswith("4/1e+38: seed 1 ") for line in lines)
    assert any("4/1e+38: seed 1, step" in line for line in lines)
    assert not any("4/0.01: seed" in line for line in lines)
    report = json.loads((tmp_path / "report.json").read_text())
    assert {(r["variant"], r["seed"]) for r in report["failed"]} == {
        ("4/1e+38", 0),
        ("4/1e+38", 1),
    }


def test_branch_on_traced_number_raises_user_error(tmp_path, packed):
    def task(config, source, numbers):
        if numbers["learning_rate"] > 0:
            return digits_experiment.task(config, source, numbers)
        return None

    with user_error("number-is-traced", "STUDY.vmapped_factors", "test_array.py:"):
        run(packed._replace(task=task), tmp_path, *SHORT)


def test_unread_number_raises_user_error(tmp_path, packed):
    def task(config, source, numbers):
        return digits_experiment.task(config, source, {})

    with user_error("number-not-read", "learning_rate", "STUDY.vmapped_factors"):
        run(packed._replace(task=task), tmp_path, *SHORT)


@pytest.mark.long
def test_trial_of_vmapped_factor_replays_identically(tmp_path, capsys):
    script = pathlib.Path(digits_experiment.__file__)
    run(import_experiment(str(script)), tmp_path, *SHORT, "--width=8", "--smoke")
    place = next(d for name, d in trials(tmp_path).items() if "tuning" in name)
    assert replay.main([str(place)]) == DONE
    assert f": {IDENTICAL}" in capsys.readouterr().out
