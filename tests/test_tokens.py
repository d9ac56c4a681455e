"""The task of tokens: its losses, what counts, and what its samples are."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from dljax.tasks import tokens as tokens_module
from dljax.tasks.tokens import tokens
from dljax.training.host_metrics import score_samples
from dljax.training.optimizers import sgd
from dljax.types import Net, SampleEvaluator

B, T, K = 3, 4, 5
Y = jax.random.randint(jax.random.key(1), (B, T), 0, K)
MASK = jnp.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]], jnp.float32)
BATCH = {"x": jnp.ones((B, 2)), "y": Y, "there": MASK, "weight": jnp.array([1, 1, 0.0])}


def told():
    """A net whose logits are its parameters."""

    def apply(params, model_state, x, *, key, train):
        del x, key, train
        return params["z"], model_state

    def generate(params, model_state, x, *, steps, key):
        del params, model_state, x
        made = 3 if key is None else jax.random.randint(key, (B, steps), 0, K)
        return {"prediction": jnp.zeros((B, steps), int) + made}

    draw = jax.random.normal
    return Net(lambda key, x: ({"z": draw(key, (B, T, K))}, {}), apply, generate)


def made(**options):
    task = tokens(told(), sgd(0.1), example=None, **options)
    return task, *task.init(jax.random.key(0))


def test_the_loss_is_optaxs_with_its_gradient_over_what_is_there():
    task, params, model_state = made(mask="there")

    def ours(params):
        return task.turns[0].loss(params, model_state, BATCH, None, 0)[0]

    def theirs(params):
        z = params["net"]["z"]
        each = optax.softmax_cross_entropy_with_integer_labels(z, Y)
        return (each * MASK).sum() / MASK.sum()

    a, b = (jax.value_and_grad(f)(params) for f in (ours, theirs))
    np.testing.assert_allclose(a[0], b[0], rtol=1e-6)
    np.testing.assert_allclose(a[1]["net"]["z"], b[1]["net"]["z"], atol=1e-6)


def test_accuracy_counts_where_its_mask_is_1():
    recall = jnp.zeros((B, T)).at[:, 1].set(1)
    task, params, model_state = made(mask="there", accuracy_mask="recall_mask")
    found = task.metrics(params, model_state, BATCH | {"recall_mask": recall}, None)
    right = jnp.argmax(params["net"]["z"], -1) == Y
    assert found["loss"][1] == 6  # of the two examples that are no padding
    assert found["accuracy"][1] == 2
    assert found["accuracy"][0] == right[:2, 1].sum()


def test_samples_are_the_likeliest_or_made_or_drawn():
    task, params, model_state = made()
    shown = task.sample(params, model_state, BATCH, jax.random.key(0))
    np.testing.assert_array_equal(
        shown["prediction"], jnp.argmax(params["net"]["z"], -1)
    )
    task, params, model_state = made(generate=7)
    shown = task.sample(params, model_state, BATCH, jax.random.key(0))
    assert (shown["prediction"] == 3).all()
    task, params, model_state = made(generate=7, draw=True)
    a, b = (
        task.sample(params, model_state, BATCH, jax.random.key(k))["prediction"]
        for k in (0, 1)
    )
    assert (a != b).any()


def test_many_sequences_are_made_some_at_a_time(monkeypatch):
    """Each from its own beginning, and each drawn by itself."""
    monkeypatch.setattr(tokens_module, "AT_ONCE", 4)

    def make(x, key):
        noise = jax.random.bits(key, (len(x["a"]), 2))
        return {"prediction": x["a"] + x["b"], "noise": noise}

    x = {"a": jnp.arange(10), "b": 100 * jnp.arange(10)}
    found = tokens_module.in_parts(make, x, jax.random.key(0))
    np.testing.assert_array_equal(found["prediction"], 101 * np.arange(10))
    assert found["noise"].shape == (10, 2)
    assert len(np.unique(found["noise"])) == 20
    few = jax.tree.map(lambda array: array[:4], x)
    once = tokens_module.in_parts(make, few, jax.random.key(0))["noise"]
    alone = make(few, jax.random.key(0))["noise"]
    np.testing.assert_array_equal(once, alone)


def test_a_judge_is_given_each_runs_own_examples():
    seen = []

    def score(sample, seed):
        seen.append((seed, len(sample["y"])))
        return {"total": float(sample["y"].sum())}

    shown = {"y": jnp.arange(6).reshape(2, 3)}
    found = score_samples(SampleEvaluator(("total",), score), shown, [5, 6], [3, 2])
    assert seen == [(5, 3), (6, 2)]
    np.testing.assert_array_equal(found["total"][0], [3, 7])
    np.testing.assert_array_equal(found["total"][1], [1, 1])
