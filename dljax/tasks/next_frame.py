"""Next frame: which of many things, each by itself, are there a step later?"""

from typing import Any

import jax
import optax

from dljax.types import Net, Task, Turn


def next_frame(net: Net, optimizer: Any, *, example: jax.Array) -> Task:
    """Binary cross-entropy over batches {"x", "y": (b, t, k), "mask": (b, t)}.

    Args:
      net: {"x", "mask"} -> logits (b, t, k).
      example: one batch of x, for its shape.

    Measures `nll`, in nats a frame: summed over the k things and pooled over the frames
    of all examples; and `accuracy` as polyphonic music has it, what is there and said
    to be over what is there or said to be (Bay, Ehmann, Downie 2009).
    """

    def init(key):
        params, model_state = net.init(key, example)
        return {"net": params}, model_state

    def logits(params, model_state, batch, key, train):
        given = {"x": batch["x"], "mask": batch["mask"]}
        return net.apply(params["net"], model_state, given, key=key, train=train)

    def losses(z, batch):
        each = optax.sigmoid_binary_cross_entropy(z, batch["y"])
        return each.sum(-1) * batch["mask"]

    def loss(params, model_state, batch, key, step):
        del step
        z, model_state = logits(params, model_state, batch, key, True)
        return losses(z, batch).sum() / batch["mask"].sum(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        del key
        z, _ = logits(params, model_state, batch, None, False)
        weight = batch["weight"].reshape(-1, 1) * batch["mask"]
        told = (z > 0) * weight[..., None]
        there = batch["y"] * weight[..., None]
        both = (told * there).sum()
        return {
            "nll": ((losses(z, batch) * weight).sum(), weight.sum()),
            "accuracy": (both, told.sum() + there.sum() - both),
        }

    def sample(params, model_state, batch, key):
        del key
        z, _ = logits(params, model_state, batch, None, False)
        return {"prediction": jax.nn.sigmoid(z) * batch["mask"][..., None]}

    return Task(init, (Turn("net", loss, optimizer),), metrics, sample)
