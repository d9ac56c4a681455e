"""Linear probes: how well a linear map of each layer's input predicts a target."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dljax.interpret.layers import layer_inputs
from dljax.tasks.classification import classification
from dljax.tasks.single_net import weighted_sum
from dljax.types import Net, Task, Turn

DECAY = 0.99  # of the running averages that standardize the features


class ProbeResult(NamedTuple):
    """One probe's loss and score per example, each (b,).

    Attributes:
      loss: the probe's loss.
      numerator, denominator: the score is the ratio of their sums over examples.
    """

    loss: jax.Array
    numerator: jax.Array
    denominator: jax.Array


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
    """Trains a classifier together with linear probes of the inputs of all its layers.

    The game has two players. "net" learns batch["label"] as in `classification`.
    "probes" learn batch[label], int (b,), by softmax, or the pixels by least squares,
    from `interpret.layers.layer_inputs` of the net in evaluation mode, after its turn.
    No gradient flows from the probes into the net. Features are flattened, centred, and
    scaled to a mean squared norm of 1 by running averages, so that one learning rate
    serves layers of any width and scale. Probes start at 0.

    Metrics: `accuracy_I_PLACE` (0 to 1) of each probe in the order of computation, from
    accuracy_0_input (the image) to the net's output; for pixels `r2_I_PLACE`, the
    explained share of their variance around the mean image. Also `loss` and `accuracy`
    of the net or, if the net is not trained, of the last probe.

    Args:
      net: image -> logits (b, classes).
      optimizer: of the net, an Optax transformation.
      example: one batch of images, for its shape.
      outputs: number of values of batch[label]; unused for pixels.
      probes: the optimizer of the probes.
      train_net: False keeps the net at its initial weights; only the probes learn.
      label: the probes' target, a key of the batch; "image" for the pixels.

    Source: Alain and Bengio 2017.
    """

    def apply(params, model_state, x, *, key, train):
        y, net_state = net.apply(params, model_state["net"], x, key=key, train=train)
        return y, {**model_state, "net": net_state}

    if label == "image":
        outputs, metric, score = math.prod(example.shape[1:]), "r2", _score_pixels
    else:
        metric, score = "accuracy", _score_classes(label, outputs)
    base = classification(Net(net.init, apply), optimizer, example=example)

    def features(params, model_state, images):
        return _flat_layer_inputs(net, params["net"], model_state["net"], images)

    def init(key):
        net_params, net_state = net.init(key, example)
        params, model_state = {"net": net_params}, {"net": net_state}
        shapes = jax.eval_shape(features, params, model_state, example)
        widths = {layer: shape.shape[1] for layer, shape in shapes.items()}
        params["probes"] = {k: _init_probe(n, outputs) for k, n in widths.items()}
        model_state["features"] = {k: _init_average(n) for k, n in widths.items()}
        return params, model_state

    def probe_results(params, averages, values, batch) -> dict[str, ProbeResult]:
        results = {}
        for layer, x in values.items():
            probe = params["probes"][layer]
            prediction = _scaled(x, averages[layer]) @ probe["kernel"]
            prediction += probe["bias"].reshape(1, -1)
            results[layer] = score(prediction, batch, averages["0_input"])
        return results

    def loss(params, model_state, batch, key, step):
        del key, step
        values = features(params, model_state, batch["image"])
        averages = {
            k: _average(model_state["features"][k], x) for k, x in values.items()
        }
        results = probe_results(params, averages, values, batch)
        total = sum(result.loss.mean() for result in results.values())
        return total, ({}, {**model_state, "features": averages})

    def metrics(params, model_state, batch, key):
        weight = batch["weight"]
        values = features(params, model_state, batch["image"])
        results = probe_results(params, model_state["features"], values, batch)
        scores = {
            layer: ((r.numerator * weight).sum(), (r.denominator * weight).sum())
            for layer, r in results.items()
        }
        if train_net:
            sums = base.metrics(params, model_state, batch, key)
        else:
            last = list(results)[-1]
            sums = {
                "loss": weighted_sum(results[last].loss, weight),
                metric: scores[last],
            }
        return sums | {f"{metric}_{layer}": pair for layer, pair in scores.items()}

    turns = (Turn("probes", loss, probes),)
    return Task(init, base.turns + turns if train_net else turns, metrics, base.sample)


def _flat_layer_inputs(net, params, model_state, images) -> dict[str, jax.Array]:
    """Inputs of layers, flattened (b, d), as {"I_NAME": ...}; "/" becomes "."."""
    inputs = layer_inputs(net, params, model_state, images)
    return {
        f"{i}_{name.replace('/', '.')}": values.reshape(len(values), -1)
        for i, (name, values) in enumerate(inputs.items())
    }


def _score_classes(label: str, outputs: int) -> Callable[..., ProbeResult]:
    """Scores logits (b, outputs): cross-entropy and accuracy for batch[label]."""

    def score(logits, batch, input_average):
        del input_average
        one_hot = jax.nn.one_hot(batch[label], outputs)
        correct = jnp.argmax(logits, -1) == batch[label]
        loss = optax.softmax_cross_entropy(logits, one_hot)
        return ProbeResult(loss, correct, jnp.ones(correct.shape))

    return score


def _score_pixels(prediction, batch, input_average) -> ProbeResult:
    """Scores pixels (b, k): squared error and variance explained."""
    count = jnp.maximum(input_average["weight"], 1e-8)
    mean = (input_average["mean"] / count).reshape(1, -1)
    target = batch["image"].reshape(len(prediction), -1) - mean
    error, variance = ((prediction - target) ** 2).sum(1), (target**2).sum(1)
    return ProbeResult(error, variance - error, variance)


def _init_probe(width, outputs):
    return {"kernel": jnp.zeros((width, outputs)), "bias": jnp.zeros(outputs)}


def _init_average(width):
    return {
        "mean": jnp.zeros(width),
        "square": jnp.zeros([]),
        "weight": jnp.zeros([]),
    }


def _average(average, x):
    """Updates the running averages of features (b, d): mean and squared norm."""
    new = {"mean": x.mean(0), "square": (x**2).sum(1).mean(), "weight": 1.0}
    return jax.tree.map(lambda a, b: DECAY * a + (1 - DECAY) * b, average, new)


def _scaled(x, average):
    """Centres features (b, d) and divides them by their root mean squared norm."""
    weight = jnp.maximum(average["weight"], 1e-8)  # 0 before the first update
    mean, square = average["mean"] / weight, average["square"] / weight
    length = jnp.sqrt(jnp.maximum(square - (mean**2).sum(), 1e-8))
    return (x - mean.reshape(1, -1)) / length
