"""How much does each layer know? A linear classifier on every one of them."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dljax.interpret.layers import between
from dljax.tasks.classification import classification
from dljax.types import Net, Task, Turn

DECAY = 0.99  # of the averages that features are centred and scaled by


def probing(
    net: Net,
    optimizer: Any,
    *,
    example: jax.Array,
    outputs: int,
    probes: Any,
    train_net: bool = True,
    label: str = "label",
) -> Task:
    """Classification, and beside it linear maps of what layers pass on.

    Two players: "net" learns batch["label"] as in `classification`; "probes" learn
    batch[label], int (b,), by softmax, or the pixels by least squares, from the values
    `between` the net's layers, of the net as it is after its turn and in evaluation; no
    gradient flows back into the net. Their features are flattened, centred, and scaled
    to a mean squared length of 1, both by running averages: that changes nothing of
    what a linear map can tell, and one learning rate then serves layers of any width
    and scale. They begin at 0.

    Args:
      net: image -> logits (b, classes).
      example: one batch of images, for its shape.
      outputs: how many values batch[label] has; of the image, all its pixels.
      probes: the optimiser of the probes.
      train_net: False leaves the net as it was drawn; only probes learn.
      label: what the probes learn; "image" for its pixels.

    Measures `accuracy_I_PLACE` (0 to 1) of each probe in the order of computation, from
    accuracy_0_input, the image itself, to that of the net's output; for pixels instead
    `r2_I_PLACE`, the share of their variance about the mean image that is explained.
    And `loss` and `accuracy` of the net; where it does not learn, of the last probe.

    Source: Alain and Bengio 2017.
    """

    def apply(params, model_state, x, *, key, train):
        y, mine = net.apply(params, model_state["net"], x, key=key, train=train)
        return y, {**model_state, "net": mine}

    if label == "image":
        outputs = math.prod(example.shape[1:])
    base = classification(Net(net.init, apply), optimizer, example=example)

    def features(params, model_state, images):
        found = between(net, params["net"], model_state["net"], images)
        return {
            f"{i}_{place.replace('/', '.')}": values.reshape(len(values), -1)
            for i, (place, values) in enumerate(found.items())
        }

    def init(key):
        mine, model_state = net.init(key, example)
        params, model_state = {"net": mine}, {"net": model_state}
        shapes = jax.eval_shape(features, params, model_state, example)
        params["probes"] = {
            layer: {
                "kernel": jnp.zeros((shape.shape[1], outputs)),
                "bias": jnp.zeros(outputs),
            }
            for layer, shape in shapes.items()
        }
        model_state["features"] = {
            layer: {
                "mean": jnp.zeros(shape.shape[1]),
                "square": jnp.zeros([]),
                "weight": jnp.zeros([]),
            }
            for layer, shape in shapes.items()
        }
        return params, model_state

    def pixels(answer, batch, kept):
        mean = (kept["mean"] / jnp.maximum(kept["weight"], 1e-8)).reshape(1, -1)
        rest = batch["image"].reshape(len(answer), -1) - mean
        missed, whole = ((answer - rest) ** 2).sum(1), (rest**2).sum(1)
        return missed, whole - missed, whole

    def classes(answer, batch, kept):
        del kept
        labels = jax.nn.one_hot(batch[label], outputs)
        right = jnp.argmax(answer, -1) == batch[label]
        loss = optax.softmax_cross_entropy(answer, labels)
        return loss, right, jnp.ones(right.shape)

    told_by, name = (pixels, "r2") if label == "image" else (classes, "accuracy")

    def losses(params, kept, found, batch):
        """{layer: (loss, what is told, of what)}, each (b,)."""
        told = {}
        for layer, x in found.items():
            probe = params["probes"][layer]
            answer = _scaled(x, kept[layer]) @ probe["kernel"]
            answer += probe["bias"].reshape(1, -1)
            told[layer] = told_by(answer, batch, kept["0_input"])
        return told

    def loss(params, model_state, batch, key, step):
        del key, step
        found = features(params, model_state, batch["image"])
        kept = {k: _average(model_state["features"][k], x) for k, x in found.items()}
        told = losses(params, kept, found, batch)
        total = sum(each.mean() for each, *_ in told.values())
        return total, ({}, {**model_state, "features": kept})

    def metrics(params, model_state, batch, key):
        weight, count = batch["weight"], batch["weight"].sum()
        found = features(params, model_state, batch["image"])
        told = losses(params, model_state["features"], found, batch)
        shares = {
            layer: ((gained * weight).sum(), (of * weight).sum())
            for layer, (_, gained, of) in told.items()
        }
        if train_net:
            measured = base.metrics(params, model_state, batch, key)
        else:
            each, *_ = list(told.values())[-1]
            measured = {"loss": ((each * weight).sum(), count)}
            measured[name] = list(shares.values())[-1]
        return measured | {f"{name}_{layer}": pair for layer, pair in shares.items()}

    turns = (Turn("probes", loss, probes),)
    return Task(init, base.turns + turns if train_net else turns, metrics, base.sample)


def _average(kept, x):
    """Running averages of features (b, d): their mean and squared length."""
    new = {"mean": x.mean(0), "square": (x**2).sum(1).mean(), "weight": 1.0}
    return jax.tree.map(lambda a, b: DECAY * a + (1 - DECAY) * b, kept, new)


def _scaled(x, kept):
    """Centred features, divided by the root of their mean squared length."""
    weight = jnp.maximum(kept["weight"], 1e-8)  # 0 before the first update
    mean, square = kept["mean"] / weight, kept["square"] / weight
    length = jnp.sqrt(jnp.maximum(square - (mean**2).sum(), 1e-8))
    return (x - mean.reshape(1, -1)) / length
