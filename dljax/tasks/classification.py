"""Classification by softmax cross-entropy."""

import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dljax.tasks.single_net import init_net, predict, weighted_sum
from dljax.types import Net, Task, Turn


def classification(
    net: Net,
    optimizer: Any,
    *,
    example: Any,
    inputs_of: Callable[[Any], Any] = operator.itemgetter("image"),
    augment: Callable[[jax.Array, Any], Any] | None = None,
    mix: Callable[[jax.Array, Any, Any], tuple[Any, Any]] | None = None,
) -> Task:
    """Minimizes softmax cross-entropy over {"image": (b, ...), "label": int32 (b,)}.

    Metrics: `loss`, in nats per example, and `accuracy`, 0 to 1.

    Args:
      net: inputs -> logits (b, classes).
      optimizer: an Optax transformation.
      example: one batch of the net's inputs, for their shape.
      inputs_of: batch -> the net's inputs; the images by default.
      augment: (key, images) -> images; in training only.
      mix: (key, images, labels) -> (images, label distributions (b, classes)), after
        `augment`, in training only; see `sources.augment.mixup`.
    """

    def loss(params, model_state, batch, key, step):
        del step
        augment_key, net_key = jax.random.split(key)
        x, labels = inputs_of(batch), batch["label"]
        if augment is not None:
            x = augment(augment_key, x)
        if mix is not None:
            net_key, mix_key = jax.random.split(net_key)
            x, labels = mix(mix_key, x, labels)
        logits, model_state = net.apply(
            params["net"], model_state, x, key=net_key, train=True
        )
        return _cross_entropy(logits, labels).mean(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        del key
        logits = predict(net, params, model_state, inputs_of(batch))
        correct = jnp.argmax(logits, -1) == batch["label"]
        losses = _cross_entropy(logits, batch["label"])
        return {
            "loss": weighted_sum(losses, batch["weight"]),
            "accuracy": weighted_sum(correct, batch["weight"]),
        }

    def sample(params, model_state, batch, key):
        del key
        logits = predict(net, params, model_state, inputs_of(batch))
        return {"prediction": jnp.argmax(logits, -1)}

    turns = (Turn("net", loss, optimizer),)
    return Task(init_net(net, example), turns, metrics, sample)


def _cross_entropy(logits, labels):
    if labels.ndim == 1:
        # With few classes a one-hot product is faster than a gather and its scatter.
        labels = jax.nn.one_hot(labels, logits.shape[-1])
    return optax.softmax_cross_entropy(logits, labels)
