"""Laws of every task, for every strategy and number of devices."""

import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import LAWS, conformance_table, others_long
from families import FAMILIES
from networks import NETWORKS

from dljax.training import programs, update
from dljax.types import SampleEvaluator, State

SEEDS = (3, 4, 5)
STEPS = 15
NOISY = (
    "vae",
    "diffusion",
    "masked",
)  # evaluation draws noise by position in the batch
MASKS = {"seq2seq": "mask", "transformer": "y_mask", "masked": "y_mask"}


def _families(names, shortly):
    """Parametrizes a law over families; those that the short suite leaves are long.

    The short suite holds every law, and every kind of objective to several: a loss with
    state and dropout ("classifier"), a game ("gan"), a loss that draws noise ("vae"),
    and sequences with masks ("seq2seq").
    """
    return pytest.mark.parametrize("family", others_long(names, shortly))


NAMES = [*FAMILIES, *NETWORKS]  # what a network can break; sharding is vmap over a mesh
KINDS = ("classifier", "gan", "vae", "seq2seq")
EAGERLY = _families(FAMILIES, ["plain", "gan"])  # every operation is compiled
# A tolerance on parameters after STEPS updates of Adam, as a share of their size.
CLOSE = {"rtol": 1e-3, "atol": 2e-4}


@functools.cache
def build(family):
    return {**FAMILIES, **NETWORKS}[family]()


@functools.cache
def _program(family, strategy, seeds, devices, quickly):
    del quickly
    count = len(jax.devices()) if devices is None else devices
    f = build(family)
    return programs.make_program(
        f.task,
        f.source,
        seeds,
        strategy=strategy,
        batch_size=f.batch_size,
        eval_batch_size=8,
        devices=jax.devices()[:count],
    )


def program(family, strategy, seeds=SEEDS, devices=None):
    """A program that tests share if they compile alike."""
    return _program(family, strategy, seeds, devices, _compiles_quickly())


def _compiles_quickly():
    return jax.config.read("jax_disable_most_optimizations")


@pytest.fixture(autouse=True, scope="module")
def _release_programs():
    yield
    for function in (build, _program, _reference):
        function.cache_clear()


def trained(compiled, steps=STEPS, *, chunk=None, start=None) -> State:
    """The host's state after `steps` updates, in dispatches of `chunk`."""
    state, at = (compiled.init(), 0) if start is None else start
    while at < steps:
        block = at // compiled.steps_per_shuffle
        offset = at - block * compiled.steps_per_shuffle
        n = min(chunk or steps, steps - at, compiled.steps_per_shuffle - offset)
        state, _ = compiled.train_steps(
            state, compiled.shuffle(state, block), offset, n
        )
        at += n
    return compiled.to_host(state)


@functools.cache
def _reference(family, quickly):
    del quickly
    return trained(program(family, "map"))


def reference(family):
    return _reference(family, _compiles_quickly())


def same(a, b):
    jax.tree.map(np.testing.assert_array_equal, a, b)


def close(a, b):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **CLOSE), a, b)


def mean(pair):
    total, count = (np.asarray(leaf, np.float64) for leaf in pair)
    return total / count


@_families(FAMILIES, KINDS)
def test_training_lowers_the_loss_and_stays_finite(family):
    compiled = program(family, "map")
    start = compiled.to_devices(compiled.to_host(compiled.init()))
    before = mean(compiled.evaluate(start, "test")[build(family).better])
    after = trained(compiled, 150)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after))
    assert after.alive.all()
    assert (after.step == 150).all()
    now = mean(
        compiled.evaluate(compiled.to_devices(after), "test")[build(family).better]
    )
    assert (now < 0.9 * before).all(), (before, now)


@EAGERLY
def test_update_is_pure_and_jit_changes_little(family):
    f = build(family)
    state = update.init(f.task, jax.random.key(0))
    batch = f.source.gather(f.source.arrays, jnp.arange(f.batch_size))
    eager, first = update.update(f.task, state, batch)
    again, second = update.update(f.task, state, batch)
    same(jax.random.key_data(eager.key), jax.random.key_data(state.key))
    same(eager._replace(key=()), again._replace(key=()))
    same(first, second)
    compiled, _ = jax.jit(functools.partial(update.update, f.task))(state, batch)
    close(eager._replace(key=()), compiled._replace(key=()))


@_families(FAMILIES, KINDS)
def test_a_program_is_compiled_once(family):
    f = build(family)
    traces = []

    def counted(turn):
        def loss(*args):
            traces.append(turn.name)
            return turn.loss(*args)

        return turn._replace(loss=loss)

    def metrics(*args):
        traces.append("metrics")
        return f.task.metrics(*args)

    turns = tuple(counted(turn) for turn in f.task.turns)
    task = f.task._replace(turns=turns, metrics=metrics)
    compiled = programs.make_program(
        task, f.source, SEEDS, strategy="map", batch_size=f.batch_size
    )
    state, _ = compiled.train_steps(
        compiled.init(), (orders := compiled.shuffle(compiled.init(), 0)), 0, 1
    )
    compiled.compile_evaluate(state, "valid")
    assert traces == [*(turn.name for turn in f.task.turns), "metrics"]
    for offset, steps in ((1, 1), (2, 4), (6, 0), (6, 9)):
        state, _ = compiled.train_steps(state, orders, offset, steps)
        compiled.evaluate(state, "valid")
    assert len(traces) == len(f.task.turns) + 1


@_families(NAMES, ["classifier"])
@pytest.mark.usefixtures("optimized")
def test_a_seed_in_a_map_is_that_seed_alone_bit_for_bit(family):
    alone = trained(program(family, "map", SEEDS[1:2]))
    same(jax.tree.map(lambda leaf: leaf[1:2], reference(family)), alone)


@_families(NAMES, ["classifier"])
@pytest.mark.usefixtures("optimized")
def test_spreading_seeds_over_cores_changes_no_bit(family):
    same(reference(family), trained(program(family, "cores", devices=2)))


@_families(NAMES, ["plain", "classifier"])
@pytest.mark.usefixtures("optimized")
def test_dispatches_of_any_length_change_no_bit(family):
    compiled = program(family, "map")
    same(reference(family), trained(compiled, chunk=4))
    half = trained(compiled, 7)
    same(reference(family), trained(compiled, start=(compiled.to_devices(half), 7)))


@_families(NAMES, ["gan", "seq2seq"])
def test_vmapped_seeds_are_single_seeds(family):
    close(reference(family), trained(program(family, "vmap")))


@_families(FAMILIES, ["classifier", "vae"])
def test_sharded_seeds_are_single_seeds(family):
    close(reference(family), trained(program(family, "shard", devices=6)))


@pytest.mark.parametrize("family", ["plain"])
def test_a_batch_is_shared_by_devices_that_no_seed_needs(family):
    close(reference(family), trained(program(family, "shard", devices=8)))


@_families(["plain", "autoencoder", "seq2seq"], ["plain"])
def test_pmapped_seeds_are_single_seeds_if_nothing_is_random(family):
    close(reference(family), trained(program(family, "pmap")))


@_families(FAMILIES, ["classifier", "seq2seq"])
def test_evaluation_counts_every_example_once_in_any_batch(family):
    f = build(family)
    compiled = program(family, "map")
    state = compiled.to_devices(reference(family))
    for split in ("valid", "test"):
        sizes = [len(f.source.split(seed)[split]) for seed in SEEDS]
        final_metrics = split == "test"
        metrics = compiled.evaluate(state, split, final_metrics=final_metrics)
        whole = programs.make_program(
            f.task, f.source, SEEDS, strategy="map", batch_size=f.batch_size
        ).evaluate(state, split, final_metrics=final_metrics)
        if name := MASKS.get(family):
            rows = [f.source.split(seed)[split] for seed in SEEDS]  # tokens are counted
            sizes = [f.source.gather(f.source.arrays, r)[name].sum() for r in rows]
        for name, (total, count) in metrics.items():
            if name != "beyond_pca":  # a share of PCA's error
                np.testing.assert_array_equal(np.asarray(count), sizes)
            if family not in NOISY:
                np.testing.assert_allclose(total, whole[name][0], rtol=1e-4)


@_families(FAMILIES, ["classifier", "seq2seq"])
def test_the_order_of_examples_changes_no_evaluation(family):
    if family in NOISY:
        pytest.skip("evaluation draws noise by position in the batch")
    f = build(family)
    state = update.init(f.task, jax.random.key(1))
    rows = np.arange(100, 124, dtype=np.int32)
    args = (f.task, f.source, state)
    in_order = update.evaluate(*args, rows.reshape(3, 8), f.source.arrays)
    shuffled = np.random.default_rng(0).permutation(rows)
    padded = np.concatenate([shuffled, -np.ones(6, np.int32)]).reshape(5, 6)
    reordered = update.evaluate(*args, padded, f.source.arrays)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), in_order, reordered
    )


@pytest.mark.parametrize("strategy", ["map", "cores", "vmap"])
def test_sample_evaluator_gets_the_samples_of_its_run(strategy):
    """On two devices three runs are padded to four."""
    f = build("vae")

    def score(sample, seed):
        return {"images": len(sample["image"]), "seed": seed}

    task = f.task._replace(
        sample_evaluator=SampleEvaluator(("images", "seed"), score, max_examples=10**6)
    )
    compiled = programs.make_program(
        task,
        f.source,
        SEEDS,
        strategy=strategy,
        batch_size=f.batch_size,
        devices=jax.devices()[: 1 if strategy == "map" else 2],
    )
    metrics = compiled.evaluate(compiled.init(), "test", samples=True)
    tests = [len(f.source.split(seed)["test"]) for seed in SEEDS]
    np.testing.assert_array_equal(metrics["images"][0], tests)
    np.testing.assert_array_equal(metrics["seed"][0], SEEDS)


def test_a_loss_that_is_not_finite_freezes_that_seed_alone():
    f = build("plain")
    bad = 4

    def loss(params, model_state, batch, key, step):
        value, rest = f.task.turns[0].loss(params, model_state, batch, key, step)
        broken = (params["net"]["mark"] == bad) & (step == 6)
        return value + jnp.where(broken, jnp.nan, 0.0), rest

    def init(key):
        params, model_state = f.task.init(key)
        return {"net": {**params["net"], "mark": jnp.float32(0)}}, model_state

    turn = f.task.turns[0]._replace(loss=loss)
    task = f.task._replace(init=init, turns=(turn,))
    compiled = programs.make_program(
        task, f.source, SEEDS, strategy="map", batch_size=16
    )
    host = compiled.to_host(compiled.init())
    host.params["net"]["mark"] = np.array(SEEDS, np.float32)
    after = trained(compiled, start=(compiled.to_devices(host), 0))
    assert after.alive.tolist() == [seed != bad for seed in SEEDS]
    assert after.step.tolist() == [15, 6, 15]
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after))


@EAGERLY
def test_the_select_of_accelerators_does_what_the_branch_of_cpus_does(
    family, monkeypatch
):
    f = build(family)
    state = update.init(f.task, jax.random.key(0))
    batch = f.source.gather(f.source.arrays, jnp.arange(f.batch_size))
    branch, _ = update.update(f.task, state, batch)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    select, _ = update.update(f.task, state, batch)
    close(branch._replace(key=()), select._replace(key=()))


def test_the_page_has_the_table_that_all_tests_print():
    page = pathlib.Path(__file__).parents[1] / "docs/guarantees.md"
    held = {}
    for name, test in globals().items():
        for begin, law in LAWS.items():
            for mark in test.pytestmark if name.startswith(begin) else ():
                if mark.name == "parametrize" and mark.args[0] == "family":
                    families = (getattr(f, "values", (f,))[0] for f in mark.args[1])
                    held |= {(family, law): "yes" for family in families}
    table = "\n".join(conformance_table(held))
    assert f"<!-- conformance -->\n{table}\n<!-- /conformance -->" in page.read_text()
