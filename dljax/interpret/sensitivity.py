"""Sensitivity: accuracy under corruptions and adversarial attacks."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from dljax.interpret.attack import fgsm, pgd
from dljax.interpret.corrupt import CORRUPTIONS, severities
from dljax.types import Metrics, Net

EPSILONS = (0.02, 0.05, 0.1, 0.15, 0.2)  # of attacks; pixels are in [0, 1]
PGD_STEPS = 20

CorrectFn = Callable[
    [jax.Array], jax.Array
]  # images -> weighted number of correct ones


def sensitivity_metrics(net: Net, *, side: int) -> Callable[..., Metrics]:
    """Returns a `Task.final_metrics` that measures a classifier's sensitivity.

    Params are {"net"}. Metrics: the accuracy (0 to 1) NAME_1 to NAME_5 at five
    severities of each corruption (see `corrupt.severities`) and of the attacks "fgsm"
    and "pgd" (at `EPSILONS`); corrupted_1 to corrupted_5 are means over the
    corruptions.

    Args:
      net: images -> logits (b, classes).
      side: height of the images in pixels.
    """

    def final_metrics(params, model_state, batch, key):
        images, labels, weight = batch["image"], batch["label"], batch["weight"]

        def logits(images):
            output, _ = net.apply(
                params["net"], model_state, images, key=None, train=False
            )
            return output

        def loss(images, labels):
            return optax.softmax_cross_entropy_with_integer_labels(
                logits(images), labels
            )

        def correct(images):
            return ((logits(images).argmax(-1) == labels) * weight).sum()

        sums = corrupted(correct, images, key, side=side)
        sums["corrupted"] = jnp.stack([*sums.values()]).mean(0)
        attack_key = jax.random.fold_in(key, len(CORRUPTIONS))
        sums |= attacked(correct, loss, images, labels, attack_key)
        count = weight.sum()
        return {
            f"{name}_{i + 1}": (values[i], count)
            for name, values in sums.items()
            for i in range(len(EPSILONS))
        }

    return final_metrics


def corrupted(
    correct: CorrectFn, images: jax.Array, key: jax.Array, *, side: int
) -> dict[str, jax.Array]:
    """Number of correct predictions per corruption and severity: {corruption: (5,)}."""
    sums = {}
    for i, (name, corrupt) in enumerate(CORRUPTIONS.items()):
        # One key for all severities: a corruption grows with the severity.
        corruption_key = jax.random.fold_in(key, i)

        def at_severity(severity, corrupt=corrupt, corruption_key=corruption_key):
            return correct(corrupt(corruption_key, images, severity))

        sums[name] = jax.lax.map(at_severity, jnp.array(severities(name, side)))
    return sums


def attacked(
    correct: CorrectFn, loss: Any, images: jax.Array, labels: jax.Array, key: jax.Array
) -> dict[str, jax.Array]:
    """Number of correct predictions per attack and epsilon: {attack: (5,)}."""

    def under_fgsm(epsilon):
        return correct(fgsm(loss, images, labels, epsilon=epsilon))

    def under_pgd(epsilon):
        adversarial = pgd(
            key,
            loss,
            images,
            labels,
            epsilon=epsilon,
            steps=PGD_STEPS,
            step_size=2.5 * epsilon / PGD_STEPS,
        )
        return correct(adversarial)

    epsilons = jnp.array(EPSILONS)
    return {
        "fgsm": jax.lax.map(under_fgsm, epsilons),
        "pgd": jax.lax.map(under_pgd, epsilons),
    }
