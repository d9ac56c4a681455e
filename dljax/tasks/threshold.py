"""Binary classification by one output and a threshold of 0: the perceptron loss."""

from typing import Any

import jax
import jax.numpy as jnp

from dljax.tasks.single_net import init_net, predict, weighted_sum
from dljax.types import Net, Task, Turn


def threshold(
    net: Net, optimizer: Any, *, example: jax.Array, margin: float = 0.0
) -> Task:
    """Minimizes the perceptron loss over {"image": (b, ...), "label": 0 or 1 (b,)}.

    With s = 2 * label - 1 and the net's output z, an example costs max(0, margin - s
    z). Without hidden layers, with margin 0 and gradient descent, this is the
    perceptron rule: each mistake adds s x to the weights (Rosenblatt 1958). Margin 1 is
    the hinge loss.

    Metrics: `loss` and `accuracy` (0 to 1); the prediction is 1 where z > 0.

    Args:
      net: image -> z (b, 1).
      optimizer: an Optax transformation.
      example: one batch of images, for its shape.
      margin: see above.
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
