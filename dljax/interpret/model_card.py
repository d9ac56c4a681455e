"""The limits of a trained classifier of any network, measured through its task."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from dljax.interpret.attribution_metrics import attribution_metrics, attributions
from dljax.interpret.sensitivity import sensitivity_metrics
from dljax.types import Batch, Metrics, Net, Task


def as_classifier(task: Task, num_classes: int) -> Net:
    """A task that classifies, as a `Net`: images (b, ...) -> log probabilities (b, k).

    They are read from the task's metric "loss", the cross-entropy, for each class in
    the place of the label; so it serves any network. Its params are all of the task's.
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
    """Sensitivity and interpretability of a classifier on one batch of test examples.

    Returns:
      the metrics of `sensitivity_metrics` and of `attribution_metrics`, and the maps of
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
