"""Binary classification by one output and a threshold of 0: the perceptron's loss."""

from typing import Any

import jax
import jax.numpy as jnp

from dljax.tasks.single_net import init_net, predict, weighted_sum
from dljax.types import Net, Task, Turn


def threshold(
    net: Net, optimizer: Any, *, example: jax.Array, margin: float = 0.0
) -> Task:
    """The perceptron criterion over {"image": (b, ...), "label": 0 or 1 (b,)}.

    With signs s = 2 * label - 1 and z the net's output, every example whose s * z is at
    most `margin` costs margin - s * z. For a net without hidden layers, margin 0 and
    plain gradient descent this is the perceptron rule: s * x is added for each mistake
    (Rosenblatt 1958). With margin 1 it is the hinge loss.

    Args:
      net: image -> z (b, 1).
      example: one batch of images, for its shape.

    Measures `loss` and `accuracy` (0 to 1) on evaluation batches: the prediction is 1
    where z > 0.
    """

    def perceptron_loss(z, label):
        signed = (2.0 * label - 1.0) * z
        return jnp.where(signed <= margin, margin - signed, 0.0)

    def loss(params, model_state, batch, key, step):
        del step
        z, model_state = net.apply(
            params["net"], model_state, batch["image"], key=key, train=True
        )
        return perceptron_loss(z[:, 0], batch["label"]).mean(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        del key
        z = predict(net, params, model_state, batch["image"])[:, 0]
        correct = (z > 0) == (batch["label"] > 0)
        return {
            "loss": weighted_sum(perceptron_loss(z, batch["label"]), batch["weight"]),
            "accuracy": weighted_sum(correct, batch["weight"]),
        }

    def sample(params, model_state, batch, key):
        del key
        z = predict(net, params, model_state, batch["image"])[:, 0]
        return {"prediction": (z > 0).astype(jnp.int32)}

    turns = (Turn("net", loss, optimizer),)
    return Task(init_net(net, example), turns, metrics, sample)
