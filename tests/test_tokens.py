"""The task `tokens`: losses, masks and samples."""

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
BATCH = {"x": jnp.ones((B, 2)), "y": Y, "mask": MASK, "weight": jnp.array([1, 1, 0.0])}


def net_of_logits():
    """A net whose logits are its parameters."""

    def apply(params, model_state, x, *, key, train):
        del x, key, train
        return params["z"], model_state

    def generate(params, model_state, x, *, steps, key):
        del params, model_state, x
        token = 3 if key is None else jax.random.randint(key, (B, steps), 0, K)
        return {"prediction": jnp.zeros((B, steps), int) + token}

    draw = jax.random.normal
    return Net(lambda key, x: ({"z": draw(key, (B, T, K))}, {}), apply, generate)


def build(**options):
    task = tokens(net_of_logits(), sgd(0.1), example=None, **options)
    return task, *task.init(jax.random.key(0))


def test_loss_and_gradient_equal_optax_over_unmasked_tokens():
    task, params, model_state = build(mask_key="mask")

    def task_loss(params):
        return task.turns[0].loss(params, model_state, BATCH, None, 0)[0]

    def optax_loss(params):
        z = params["net"]["z"]
        nll = optax.softmax_cross_entropy_with_integer_labels(z, Y)
        return (nll * MASK).sum() / MASK.sum()

    a, b = (jax.value_and_grad(f)(params) for f in (task_loss, optax_loss))
    np.testing.assert_allclose(a[0], b[0], rtol=1e-6)
    np.testing.assert_allclose(a[1]["net"]["z"], b[1]["net"]["z"], atol=1e-6)


def test_accuracy_counts_where_its_mask_is_1():
    recalled = jnp.zeros((B, T)).at[:, 1].set(1)
    task, params, model_state = build(mask_key="mask", accuracy_mask_key="recalled")
    metrics = task.metrics(params, model_state, BATCH | {"recalled": recalled}, None)
    correct = jnp.argmax(params["net"]["z"], -1) == Y
    assert metrics["loss"][1] == 6  # of the two examples with weight 1
    assert metrics["accuracy"][1] == 2
    assert metrics["accuracy"][0] == correct[:2, 1].sum()


def test_samples_are_greedy_generated_or_drawn():
    task, params, model_state = build()
    samples = task.sample(params, model_state, BATCH, jax.random.key(0))
    np.testing.assert_array_equal(
        samples["prediction"], jnp.argmax(params["net"]["z"], -1)
    )
    task, params, model_state = build(max_new_tokens=7)
    samples = task.sample(params, model_state, BATCH, jax.random.key(0))
    assert (samples["prediction"] == 3).all()
    task, params, model_state = build(max_new_tokens=7, do_sample=True)
    a, b = (
        task.sample(params, model_state, BATCH, jax.random.key(k))["prediction"]
        for k in (0, 1)
    )
    assert (a != b).any()


def test_sequences_are_generated_in_chunks(monkeypatch):
    """Each sequence has its own inputs and its own noise."""
    monkeypatch.setattr(tokens_module, "CHUNK", 4)

    def make(x, key):
        noise = jax.random.bits(key, (len(x["a"]), 2))
        return {"prediction": x["a"] + x["b"], "noise": noise}

    x = {"a": jnp.arange(10), "b": 100 * jnp.arange(10)}
    generated = tokens_module.map_chunks(make, x, jax.random.key(0))
    np.testing.assert_array_equal(generated["prediction"], 101 * np.arange(10))
    assert generated["noise"].shape == (10, 2)
    assert len(np.unique(generated["noise"])) == 20
    few = jax.tree.map(lambda array: array[:4], x)
    once = tokens_module.map_chunks(make, few, jax.random.key(0))["noise"]
    alone = make(few, jax.random.key(0))["noise"]
    np.testing.assert_array_equal(once, alone)


def test_an_evaluator_scores_each_runs_own_examples():
    scored = []

    def score(sample, seed):
        scored.append((seed, len(sample["y"])))
        return {"total": float(sample["y"].sum())}

    samples = {"y": jnp.arange(6).reshape(2, 3)}
    metrics = score_samples(SampleEvaluator(("total",), score), samples, [5, 6], [3, 2])
    assert scored == [(5, 3), (6, 2)]
    np.testing.assert_array_equal(metrics["total"][0], [3, 7])
    np.testing.assert_array_equal(metrics["total"][1], [1, 1])
