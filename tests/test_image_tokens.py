"""Images as tokens: batches, sampling, renderings and metrics."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from user_errors import user_error

from dljax.datasets.array_dataset import ArrayDataset
from dljax.models.transformer import transformer
from dljax.sources.image_tokens import image_tokens
from dljax.tasks.tokens import tokens

N, H, W, MAX_VALUE = 20, 4, 3, 5
LENGTH = H * W


def table(channels=1):
    rng = np.random.default_rng(0)
    images = rng.integers(0, MAX_VALUE + 1, (N, H, W, channels)).astype(np.uint8)
    arrays = {"image": images, "label": np.repeat([0, 1], N // 2).astype(np.int32)}
    return ArrayDataset(
        "pixels", "1", arrays, {"train": np.arange(N)}, ("a", "b"), MAX_VALUE, 5
    )


def example_batch():
    data = image_tokens(table())
    return data, data.gather(data.arrays, jnp.arange(6))


def test_each_pixel_is_a_token_predicted_from_those_before_it():
    data, batch = example_batch()
    flat = table().arrays["image"][:6].reshape(6, LENGTH)
    assert data.details.num_tokens == MAX_VALUE + 2
    assert data.details.length == LENGTH
    np.testing.assert_array_equal(batch["y"], flat)
    np.testing.assert_array_equal(batch["x"][:, 1:], flat[:, :-1])
    assert (np.asarray(batch["x"][:, 0]) == MAX_VALUE + 1).all()
    np.testing.assert_array_equal(batch["half"][:, 1:], flat[:, : LENGTH // 2])
    assert batch["y"].dtype == jnp.int32


def test_fewer_levels_and_means_of_neighbours():
    data = image_tokens(table(), levels=3, pool_width=3)
    batch = data.gather(data.arrays, jnp.arange(6))
    means = table().arrays["image"][:6].reshape(6, H, W).mean(-1)
    np.testing.assert_array_equal(batch["y"], np.round(means * 2 / MAX_VALUE))
    assert data.details.num_tokens == 4
    assert data.details.length == H


def test_each_class_has_its_begin_token():
    data = image_tokens(table(), class_conditional=True)
    batch = data.gather(data.arrays, jnp.array([0, N - 1]))
    np.testing.assert_array_equal(batch["begin"][:, 0], [MAX_VALUE + 1, MAX_VALUE + 2])
    assert data.details.num_tokens == MAX_VALUE + 3


def test_images_in_colour_are_refused():
    with user_error("dataset-wrong-kind", "--dataset=pixels"):
        image_tokens(table(3))


@pytest.mark.long
def test_samples_and_completions_are_rendered_as_images():
    data, batch = example_batch()
    net = transformer("decoder", 8, data.details.num_tokens, heads=2, max_len=LENGTH)
    task = tokens(
        net,
        optax.sgd(0.1),
        example=batch["x"][:1],
        max_new_tokens=LENGTH,
        prompts={"prediction": "begin", "completion": "half"},
        do_sample=True,
        measure_bits=True,
    )
    params, model_state = task.init(jax.random.key(0))
    samples = task.sample(params, model_state, batch, jax.random.key(1))
    assert samples["prediction"].shape == (6, LENGTH)
    assert samples["completion"].shape == (6, LENGTH - LENGTH // 2)
    renderings = data.render(jax.tree.map(np.asarray, {**batch, **samples}))
    pixels = {record.title: record.pixels for record in renderings}
    expected = table().arrays["image"][:6] / np.float32(MAX_VALUE)
    np.testing.assert_allclose(pixels["real"], expected)
    upper = pixels["completed"].reshape(6, LENGTH)[:, : LENGTH // 2]
    np.testing.assert_allclose(upper, expected.reshape(6, LENGTH)[:, : LENGTH // 2])
    assert pixels["generated"].shape == (6, H, W, 1)
    assert pixels["generated"].min() >= 0
    assert pixels["generated"].max() <= 1


def test_samples_are_images_with_their_target_classes():
    data, batch = example_batch()
    samples = jax.tree.map(np.asarray, {**batch, "prediction": batch["y"][::-1]})
    images = data.details.to_images(samples)
    real = table().arrays["image"][:6] / np.float32(MAX_VALUE)
    np.testing.assert_allclose(images["image"], real)
    np.testing.assert_allclose(images["generated"], real[::-1])
    np.testing.assert_array_equal(images["target_class"], table().arrays["label"][:6])
    assert set(data.details.to_images({"prediction": batch["y"]})) == {"generated"}


def test_bits_are_nats_over_log_2():
    data, batch = example_batch()
    net = transformer("decoder", 8, data.details.num_tokens, heads=2, max_len=LENGTH)
    task = tokens(net, optax.sgd(0.1), example=batch["x"][:1], measure_bits=True)
    params, model_state = task.init(jax.random.key(0))
    metrics = task.metrics(params, model_state, {**batch, "weight": jnp.ones(6)}, None)
    (bits, count), (nats, _) = metrics["bits"], metrics["loss"]
    np.testing.assert_allclose(bits, nats / np.log(2), 1e-6)
    assert count == 6 * LENGTH
    # Weights of 0 make all tokens equally likely.
    zeros = jax.tree.map(jnp.zeros_like, params)
    metrics = task.metrics(zeros, model_state, {**batch, "weight": jnp.ones(6)}, None)
    bits, count = metrics["bits"]
    np.testing.assert_allclose(bits / count, np.log2(data.details.num_tokens), 1e-6)
