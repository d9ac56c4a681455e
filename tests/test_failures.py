"""A loss that is not finite stops only its run, and every output reports it."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import Family, plain, table
from flax import linen as nn
from study_fixtures import read_lines, run, trials

from dljax.errors import FAILED_RUNS
from dljax.models.net import net
from dljax.training import nonfinite, update
from dljax.training.optimizers import adamw
from dljax.trials import checkpoint
from dljax.types import Task, Turn

# The bits of two programs are compared, with and without a loss that becomes NaN.
pytestmark = pytest.mark.usefixtures("optimized_file")
SHORT = ("--family=gan,classifier", "--steps=30", "--log_every=10", "--seeds=3")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, experiment):
    directory = tmp_path_factory.mktemp("whole")
    run(experiment, directory, *SHORT)
    return directory


@pytest.fixture(scope="module")
def failed(tmp_path_factory, experiment):
    """(directory, logged lines) of the same study with a NaN in step 13 of seed 0."""
    directory = tmp_path_factory.mktemp("failed")
    lines = run(experiment, directory, *SHORT, "--nan_at=12", code=FAILED_RUNS)
    return directory, lines


def failure_lines(lines, variant, metric):
    """The logged lines that report the failed run of a variant."""
    words = {variant, "0", "13", metric}
    return [line for line in lines if words <= set(re.findall(r"\w+", line))]


def trial(directory, variant):
    return next(d for name, d in trials(directory).items() if name.startswith(variant))


@pytest.mark.parametrize("variant", ["gan", "classifier"])
def test_failed_run_freezes_and_others_keep_their_bits(whole, failed, variant):
    good, bad = trial(whole, variant), trial(failed[0], variant)
    rows, rows_bad = (read_lines(d / "metrics.jsonl") for d in (good, bad))
    others = [r for r in rows if r["seed"] != 0]
    assert others == [r for r in rows_bad if r["seed"] != 0]
    failed_rows = [r for r in rows_bad if r["seed"] == 0]
    assert failed_rows[-1]["step"] == 13
    assert max(r["step"] for r in rows_bad if r["seed"] == 1) == 30
    a, b = (
        checkpoint.read(d / "checkpoints", log=pytest.fail).leaves for d in (good, bad)
    )
    b = {k.replace("model_state.base", "model_state"): v for k, v in b.items()}
    for name, leaf in a.items():
        np.testing.assert_array_equal(leaf[1:], b[name][1:])
        assert np.isfinite(b[name].astype(np.float64)).all() or "score" in name
    assert b["state.step"].tolist() == [12, 30, 30]
    assert b["state.alive"].tolist() == [False, True, True]


def test_failure_reports_step_seed_and_metric(failed):
    directory, lines = failed
    expected = {"gan": "generator_loss", "classifier": "loss"}
    for variant, metric in expected.items():
        done = json.loads((trial(directory, variant) / "DONE").read_text())
        assert done["failed"] == [
            {"variant": variant, "seed": 0, "step": 13, "metric": metric}
        ]
        assert len(failure_lines(lines, variant, metric)) == 1
    report = json.loads((directory / "report.json").read_text())
    assert report["verdict"] == "undecided"
    assert [(r["variant"], r["seed"], r["step"]) for r in report["failed"]] == [
        ("gan", 0, 13),
        ("classifier", 0, 13),
    ]
    for page in ("report.html", "report.md"):
        page_lines = (directory / page).read_text().splitlines()
        assert failure_lines(page_lines, "gan", "generator_loss")


def test_failed_runs_are_retried_only_on_request(failed, experiment):
    directory, _ = failed
    flags = (*SHORT, "--nan_at=12")
    old = trial(directory, "gan")
    before = {path.name: path.read_bytes() for path in old.glob("*.jsonl")}
    lines = run(experiment, directory, *flags, "--locate_nan", code=FAILED_RUNS)
    assert before == {path.name: path.read_bytes() for path in old.glob("*.jsonl")}
    assert failure_lines(lines, "classifier", "loss")
    assert any("loss of net" in line for line in lines)
    lines = run(experiment, directory, *flags, "--retry_failed", code=FAILED_RUNS)
    renamed = old.with_name(f"{old.name}.failed-1")
    assert any(str(renamed) in line for line in lines)
    for folder in (renamed, old):
        metrics = (folder / "metrics.jsonl").read_bytes()
        assert metrics == before["metrics.jsonl"]


class _Root(nn.Module):
    @nn.compact
    def __call__(self, x):
        return jnp.sqrt(x)


class _Cell(nn.Module):
    @nn.compact
    def __call__(self, carry, x):
        return carry, _Root()(x)


class _Fragile(nn.Module):
    """Finite until the inputs are negative: in a module, in a scan, or nowhere."""

    where: str

    @nn.compact
    def __call__(self, x, *, train: bool = False):
        x = nn.Dense(4, name="before")(x) * 0 + x.mean()
        if self.where == "module":
            x = _Root(name="culprit")(x)
        elif self.where == "scan":
            scan = nn.scan(_Cell, variable_broadcast="params", in_axes=1, out_axes=1)
            _, x = scan(name="culprit")(jnp.zeros(len(x)), x)
        return nn.Dense(1, name="after")(x)


def fragile(where, value):
    """A task whose loss meets inputs of `value` everywhere."""
    source = table({"x": np.full((140, 2), value, np.float32)})
    model = net(_Fragile(where))

    def init(key):
        params, model_state = model.init(key, jnp.ones((1, 2)))
        return {"net": params}, model_state

    def loss(params, model_state, batch, key, step):
        y, _ = model.apply(params["net"], model_state, batch["x"], key=None, train=True)
        y = jnp.log(y * 0 + value) if where == "loss" else y
        y = jnp.sqrt(y**2) if where == "gradient" else y
        return y.mean() * (0 if where == "gradient" else 1), ({}, model_state)

    task = Task(init, (Turn("net", loss, adamw(0.01)),), lambda *_: {})
    return Family(task, source, "")


@pytest.mark.parametrize(
    ("where", "value", "expected"),
    [
        ("module", -1.0, "net/culprit"),
        ("scan", -1.0, "net/culprit/_Root_0"),
        ("loss", -1.0, "loss of net"),
        ("gradient", 0.0, "gradient"),
        ("module", 1.0, "manifests"),
        ("module", np.inf, "'x'"),
    ],
)
def test_the_first_module_that_is_not_finite_is_named(where, value, expected):
    f = fragile(where, value)
    state = update.init(f.task, jax.random.key(0))
    if where == "gradient":  # |y| at y = 0 has none
        state.params["net"]["after"]["kernel"] *= 0
    line = nonfinite.locate(f.task, f.source, state, np.arange(96), batch_size=16)
    assert expected in line


def test_replayed_step_equals_trained_step():
    f = plain()
    state = update.init(f.task, jax.random.key(3))._replace(step=jnp.int32(14))
    rows = np.arange(96, dtype=np.int32)
    orders = update.permutations(f.source, state.key, rows, 0, 3)
    expected = f.source.gather(f.source.arrays, orders[2, 32:48])
    batch = nonfinite._batch(f.source, state, rows, 16)
    np.testing.assert_array_equal(batch["x"], expected["x"])
