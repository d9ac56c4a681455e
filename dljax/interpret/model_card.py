"""Sensitivity and interpretability of a trained classifier, for its model card."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from dljax.interpret.attribution_metrics import attribution_metrics, attributions
from dljax.interpret.sensitivity import sensitivity_metrics
from dljax.types import Batch, Metrics, Net, Task


def as_classifier(task: Task, num_classes: int) -> Net:
    """Converts a task to a classifier: images (b, ...) -> log probabilities (b, k).

    The log probability of a class is minus the task's metric "loss", the cross-entropy,
    with that class as the label; therefore any network works. The net's params are
    those of all players.

    Args:
      num_classes: number of classes k.
    """

    def loss(params, model_state, image, label):
        batch = {"image": image[None], "label": label[None], "weight": jnp.ones(1)}
        return task.metrics(params, model_state, batch, jax.random.key(0))["loss"][0]

    def apply(params, model_state, x, *, key, train):
        del key, train
        class_losses = jax.vmap(
            lambda k, image: loss(params, model_state, image, k), (0, None)
        )
        labels = jnp.arange(num_classes)
        return -jax.vmap(lambda image: class_losses(labels, image))(x), model_state

    return Net(task.init, apply)


def measure_limits(
    task: Task, params: Any, model_state: Any, batch: Batch, *, num_classes: int
) -> tuple[Metrics, Mapping[str, jax.Array]]:
    """Measures sensitivity and interpretability of a classifier on one test batch.

    Args:
      task: a classification task; params and model_state are its trained ones.
      batch: {"image": (b, h, w, c), "label": int (b,)}.
      num_classes: number of classes.

    Returns:
      the metrics of `sensitivity_metrics` and `attribution_metrics`, and the maps of
      `attributions`.
    """
    net, task_params = as_classifier(task, num_classes), {"net": params}
    batch = {**batch, "weight": jnp.ones(len(batch["label"]))}
    sensitivity_key, attribution_key = jax.random.split(jax.random.key(0))
    sensitivity = sensitivity_metrics(net, side=batch["image"].shape[1])
    attribution = attribution_metrics(net)
    metrics = {
        **sensitivity(task_params, model_state, batch, sensitivity_key),
        **attribution(task_params, model_state, batch, attribution_key),
    }
    return metrics, attributions(net, params, model_state, batch)
