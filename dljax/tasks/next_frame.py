"""Next-frame prediction: k binary targets per step, for example of a piano roll."""

from typing import Any

import jax
import optax

from dljax.tasks.single_net import init_net, predict
from dljax.types import Net, Task, Turn


def next_frame(net: Net, optimizer: Any, *, example: jax.Array) -> Task:
    """Minimizes binary cross-entropy over {"x", "y": (b, t, k), "mask": (b, t)}.

    Metrics, pooled over the frames of all examples: `nll`, in nats per frame, summed
    over the k targets; and `accuracy`, true positives over the sum of true positives,
    false positives and false negatives (Bay, Ehmann, Downie 2009).

    Args:
      net: {"x", "mask"} -> logits (b, t, k).
      optimizer: an Optax transformation.
      example: one batch of x, for its shape.
    """

    def inputs(batch):
        return {"x": batch["x"], "mask": batch["mask"]}

    def frame_nll(logits, batch):
        nll = optax.sigmoid_binary_cross_entropy(logits, batch["y"])
        return nll.sum(-1) * batch["mask"]

    def loss(params, model_state, batch, key, step):
        del step
        logits, model_state = net.apply(
            params["net"], model_state, inputs(batch), key=key, train=True
        )
        return frame_nll(logits, batch).sum() / batch["mask"].sum(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        del key
        logits = predict(net, params, model_state, inputs(batch))
        weight = batch["weight"].reshape(-1, 1) * batch["mask"]
        predicted = (logits > 0) * weight[..., None]
        actual = batch["y"] * weight[..., None]
        true_positives = (predicted * actual).sum()
        union = predicted.sum() + actual.sum() - true_positives
        return {
            "nll": ((frame_nll(logits, batch) * weight).sum(), weight.sum()),
            "accuracy": (true_positives, union),
        }

    def sample(params, model_state, batch, key):
        del key
        logits = predict(net, params, model_state, inputs(batch))
        return {"prediction": jax.nn.sigmoid(logits) * batch["mask"][..., None]}

    turns = (Turn("net", loss, optimizer),)
    return Task(init_net(net, example), turns, metrics, sample)
