"""Does it fire? One output that is on past a threshold of 0."""

from typing import Any

import jax
import jax.numpy as jnp

from dljax.types import Net, Task, Turn


def threshold(
    net: Net, optimizer: Any, *, example: jax.Array, margin: float = 0.0
) -> Task:
    """The perceptron's criterion over {"image": (b, ...), "label": 0 or 1 (b,)}.

    With signs s = 2 * label - 1 and z the net's output, every example whose s * z is at
    most `margin` costs margin - s * z. For a net without hidden layers, margin 0 and
    plain gradient descent that is the perceptron's rule: s * x is added for each
    mistake (Rosenblatt 1958). With margin 1 it is the hinge loss.

    Args:
      net: image -> z (b, 1).
      example: one batch of images, for its shape.

    Measures `loss` and `accuracy` (0 to 1) on evaluation batches: it fires where z > 0.
    """

    def init(key):
        params, model_state = net.init(key, example)
        return {"net": params}, model_state

    def outputs(params, model_state, x, key, train):
        z, model_state = net.apply(params["net"], model_state, x, key=key, train=train)
        return z[:, 0], model_state

    def costs(z, label):
        signed = (2.0 * label - 1.0) * z
        return jnp.where(signed <= margin, margin - signed, 0.0)

    def loss(params, model_state, batch, key, step):
        del step
        z, model_state = outputs(params, model_state, batch["image"], key, True)
        return costs(z, batch["label"]).mean(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        del key
        z, _ = outputs(params, model_state, batch["image"], None, False)
        weight, count = batch["weight"], batch["weight"].sum()
        right = (z > 0) == (batch["label"] > 0)
        return {
            "loss": ((costs(z, batch["label"]) * weight).sum(), count),
            "accuracy": ((right * weight).sum(), count),
        }

    def sample(params, model_state, batch, key):
        del key
        z, _ = outputs(params, model_state, batch["image"], None, False)
        return {"prediction": (z > 0).astype(jnp.int32)}

    return Task(init, (Turn("net", loss, optimizer),), metrics, sample)
