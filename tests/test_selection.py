"""`best_valid`: each run is tested in its best state on validation data."""

import jax.numpy as jnp
import numpy as np
import pytest
from families import plain
from study_fixtures import read_lines, run, trials
from user_errors import user_error

import dljax
from dljax.commands import evaluate
from dljax.errors import DONE
from dljax.training import loop, programs
from dljax.trials import checkpoint

SHORT = ("--family=classifier", "--log_every=50", "--eval_every=7", "--seeds=3")


@pytest.fixture(scope="module")
def trial(tmp_path_factory, experiment):
    directory = tmp_path_factory.mktemp("study")
    run(experiment, directory, *SHORT, "--steps=100")
    (directory_of_trial,) = trials(directory).values()
    return directory_of_trial


def test_each_run_is_tested_where_its_validation_was_best(trial):
    rows = read_lines(trial / "metrics.jsonl")
    tested = {r["seed"]: r["step"] for r in rows if r["split"] == "test"}
    for seed, step in tested.items():
        valid = {
            r["step"]: r["loss"]
            for r in rows
            if r["split"] == "valid" and r["seed"] == seed
        }
        assert step == min(valid, key=valid.get)
    assert len(tested) == 3


def test_best_state_equals_the_last_state_of_a_shorter_run(trial, tmp_path, experiment):
    best = checkpoint.read(trial / "checkpoints", log=pytest.fail).leaves
    step = int(best["best.state.step"][1])
    run(experiment, tmp_path, *SHORT, f"--steps={step}")
    (short,) = trials(tmp_path).values()
    last = checkpoint.read(short / "checkpoints", log=pytest.fail).leaves
    for name, leaf in last.items():
        if name.startswith("state."):
            np.testing.assert_array_equal(best[f"best.{name}"][1], leaf[1])


def test_loading_and_evaluating_use_the_best_state(trial, capsys):
    loaded = dljax.load(str(trial))
    assert (np.asarray(loaded.state.step) == 100).all()
    assert not (np.asarray(loaded.tested.step) == 100).all()
    assert evaluate.main([str(trial)]) == DONE
    printed = capsys.readouterr().out.splitlines()
    for row in read_lines(trial / "metrics.jsonl"):
        if row["split"] == "test":
            (line,) = (r for r in printed if r.startswith(f"seed {row['seed']}: "))
            assert f"loss {row['loss']:.6g} " in line


def better(score, total, *, higher, alive=True):
    """The best score of a single run after one more evaluation."""
    f = plain()
    program = programs.make_program(
        f.task, f.source, (0,), strategy="map", batch_size=16
    )
    train_state = loop.init_train_state(program, ("mse", higher))
    best = train_state.best._replace(score=jnp.float32([score]))
    state = train_state.state._replace(alive=jnp.array([alive]))
    pair = (jnp.float32([total]), jnp.float32([2.0]))
    return float(loop._better(best, state, pair, higher=higher).score[0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_scores_are_never_best(bad):
    for higher in (True, False):
        assert better(-np.inf, bad, higher=higher) == -np.inf
        assert better(0.5, bad, higher=higher) == 0.5


def test_better_is_higher_or_lower_and_of_a_live_run():
    assert better(0.5, 1.2, higher=True) == np.float32(0.6)
    assert better(0.5, 0.8, higher=True) == 0.5
    assert better(-0.5, 0.8, higher=False) == np.float32(-0.4)
    assert better(-0.5, 1.2, higher=False) == -0.5
    assert better(0.5, 1.2, higher=True, alive=False) == 0.5


def test_primary_metric_that_no_task_measures_is_refused(tmp_path, experiment):
    wrong = experiment._replace(
        study=experiment.study._replace(primary_metric="accuray")
    )
    with user_error("metric-not-measured", "accuray", "loss"):
        run(wrong, tmp_path, "--family=gan", "--steps=2")
