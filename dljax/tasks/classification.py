"""Classification: which of k classes is it?"""

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dljax.types import Net, Task, Turn


def classification(
    net: Net,
    optimizer: Any,
    *,
    example: Any,
    given: Callable[[Any], Any] = operator.itemgetter("image"),
    augment: Callable[[jax.Array, Any], Any] | None = None,
    mix: Callable[[jax.Array, Any, Any], tuple[Any, Any]] | None = None,
) -> Task:
    """Softmax cross-entropy over batches {"image": (b, ...), "label": int32 (b,)}.

    Args:
      net: image -> logits (b, classes).
      example: one batch of images, for its shape.
      given: batch -> what the net takes of it, and `example` is one of; for sentences
        `data.text.words_of`.
      augment: (key, images) -> images, on training batches only.
      mix: (key, images, labels) -> (images, labels (b, classes) as shares), after
        `augment`, on training batches only; for `dljax.sources.augment.mixup`.

    Measures `loss` (nats per example) and `accuracy` (0 to 1) on evaluation batches.
    """

    def init(key):
        params, model_state = net.init(key, example)
        return {"net": params}, model_state

    def loss(params, model_state, batch, key, step):
        del step
        draw, noise = jax.random.split(key)
        x, labels = given(batch), batch["label"]
        if augment is not None:
            x = augment(draw, x)
        if mix is not None:
            noise, pair = jax.random.split(noise)
            x, labels = mix(pair, x, labels)
        logits, model_state = net.apply(
            params["net"], model_state, x, key=noise, train=True
        )
        return _cross_entropy(logits, labels).mean(), ({}, model_state)

    def answers(params, model_state, batch) -> jax.Array:
        return net.apply(
            params["net"], model_state, given(batch), key=None, train=False
        )[0]

    def metrics(params, model_state, batch, key):
        del key
        logits = answers(params, model_state, batch)
        weight, count = batch["weight"], batch["weight"].sum()
        right = jnp.argmax(logits, -1) == batch["label"]
        losses = _cross_entropy(logits, batch["label"])
        return {
            "loss": ((losses * weight).sum(), count),
            "accuracy": ((right * weight).sum(), count),
        }

    def sample(params, model_state, batch, key):
        del key
        logits = answers(params, model_state, batch)
        return {"prediction": jnp.argmax(logits, -1)}

    return Task(init, (Turn("net", loss, optimizer),), metrics, sample)


def _cross_entropy(logits, labels):
    if labels.ndim == 1:
        # With few classes a one-hot product is faster than a gather and its scatter.
        labels = jax.nn.one_hot(labels, logits.shape[-1])
    return optax.softmax_cross_entropy(logits, labels)
