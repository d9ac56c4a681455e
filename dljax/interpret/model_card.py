"""The limits of a trained classifier, whatever its network, from its task alone."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from dljax.interpret.attribution_metrics import attributions, judged
from dljax.interpret.sensitivity import sensitivity
from dljax.types import Batch, Metrics, Net, Task


def answers(task: Task, classes: int) -> Net:
    """A task that classifies, as a net: images (b, ...) -> log probabilities (b, k).

    They are read from the task's metric "loss", the cross-entropy, for each class in
    the place of the label; so it serves any network. Its params are all of the task's.
    """

    def loss(params, model_state, image, label):
        batch = {"image": image[None], "label": label[None], "weight": jnp.ones(1)}
        return task.metrics(params, model_state, batch, jax.random.key(0))["loss"][0]

    def apply(params, model_state, x, *, key, train):
        del key, train
        of_class = jax.vmap(
            lambda k, image: loss(params, model_state, image, k), (0, None)
        )
        labels = jnp.arange(classes)
        return -jax.vmap(lambda image: of_class(labels, image))(x), model_state

    return Net(task.init, apply)


def measure(
    task: Task, params: Any, model_state: Any, batch: Batch, *, classes: int
) -> tuple[Metrics, Mapping[str, jax.Array]]:
    """Sensitivity and interpretability of a classifier on one batch of test examples.

    Returns:
      the metrics of `probes.sensitivity` and of `probes.judged`, and the maps of
      `probes.judged.attributions`; see there.
    """
    net, all_params = answers(task, classes), {"net": params}
    batch = {**batch, "weight": jnp.ones(len(batch["label"]))}
    key, other = jax.random.split(jax.random.key(0))
    metrics = sensitivity(net, side=batch["image"].shape[1])(
        all_params, model_state, batch, key
    )
    metrics |= judged(net)(all_params, model_state, batch, other)
    return metrics, attributions(net, params, model_state, batch)
