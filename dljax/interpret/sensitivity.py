"""Sensitivity: how much accuracy does a net lose when its images get worse?"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dljax.interpret.attack import fgsm, pgd
from dljax.interpret.corrupt import CORRUPTIONS, severities
from dljax.types import Metrics, Net

EPSILONS = (0.02, 0.05, 0.1, 0.15, 0.2)  # of attacks, with pixels in [0, 1]
PGD_STEPS = 20


def sensitivity(net: Net, *, side: int) -> Callable[..., Metrics]:
    """A `Task.probes` for a task whose params are {"net"} and which classifies.

    It measures the accuracy (0 to 1) at five severities of every corruption and attack:
    NAME_1 to NAME_5, `probes.corrupt.severities` for images of `side` pixels a side,
    and EPSILONS for "fgsm" and "pgd"; and corrupted_1 to corrupted_5, the mean over the
    corruptions.
    """

    def probe(params, model_state, batch, key):
        def logits(images):
            return net.apply(params["net"], model_state, images, key=None, train=False)[
                0
            ]

        def loss(images, labels):
            return optax.softmax_cross_entropy_with_integer_labels(
                logits(images), labels
            )

        images, labels, weight = batch["image"], batch["label"], batch["weight"]

        def right(images):
            return (((logits(images).argmax(-1)) == labels) * weight).sum()

        correct: dict[str, Any] = {}
        for i, (name, corrupt) in enumerate(CORRUPTIONS.items()):
            levels = jnp.array(severities(name, side))
            draw = jax.random.fold_in(key, i)  # one for all levels, so that they nest

            def at(level, corrupt=corrupt, draw=draw):
                return right(corrupt(draw, images, level))

            correct[name] = jax.lax.map(at, levels)
        start = jax.random.fold_in(key, len(CORRUPTIONS))
        correct["corrupted"] = jnp.stack([*correct.values()]).mean(0)
        epsilons = jnp.array(EPSILONS)
        correct["fgsm"] = jax.lax.map(
            lambda e: right(fgsm(loss, images, labels, epsilon=e)), epsilons
        )
        correct["pgd"] = jax.lax.map(
            lambda e: right(
                pgd(
                    start,
                    loss,
                    images,
                    labels,
                    epsilon=e,
                    steps=PGD_STEPS,
                    step_size=2.5 * e / PGD_STEPS,
                )
            ),
            epsilons,
        )
        count = weight.sum()
        return {
            f"{name}_{i + 1}": (values[i], count)
            for name, values in correct.items()
            for i in range(len(EPSILONS))
        }

    return probe
