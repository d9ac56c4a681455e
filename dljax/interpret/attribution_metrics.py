"""Attributions of a classifier, all of them, and a probe that judges them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dljax.interpret import attribute, evidence
from dljax.types import Batch, Metrics, Net


def attributions(
    net: Net, params: Any, model_state: Any, batch: Batch, *, layer: str = ""
) -> dict[str, jax.Array]:
    """{method: map (b, h, w)} of the net's output for the label, of a batch.

    gradient: the largest absolute value over channels. integrated: integrated gradients
    from black, summed over channels. occlusion: by patches of a quarter of the height.
    grad_cam: of `layer`, where one is named.
    """
    images, labels = batch["image"], batch["label"]

    def score(images):
        logits, _ = net.apply(params, model_state, images, key=None, train=False)
        return attribute.of_class(logits, labels)

    maps = {
        "gradient": attribute.over_channels(
            attribute.saliency(score, images), by="largest"
        ),
        "integrated": attribute.over_channels(
            attribute.integrated_gradients(score, images), by="sum"
        ),
        "occlusion": attribute.occlusion(
            score, images, size=max(1, images.shape[1] // 4), stride=1
        ),
    }
    if layer:
        maps["grad_cam"] = attribute.grad_cam(
            net, params, model_state, images, labels, layer=layer
        )
    return maps


def judged(net: Net, *, layer: str = "") -> Callable[..., Metrics]:
    """`Task.probes` of a classifier with params {"net"}, on batches with evidence.

    A batch has "mask", (b, h, w), 1 where the evidence lies; without, hit and mass are
    left out. Of every method, and of "random" maps beside them, it measures METHOD_hit,
    METHOD_mass, METHOD_deletion and METHOD_insertion (areas under the label's
    probability), and METHOD_shuffled, the rank correlation of the map with that of the
    net with its weights shuffled. All are means over examples; see `probes.evidence`.
    """

    def probe(params, model_state, batch, key):
        draw, shuffle = jax.random.split(key)
        images, labels, weight = batch["image"], batch["label"], batch["weight"]
        mine = params["net"]

        def probability(images):
            logits, _ = net.apply(mine, model_state, images, key=None, train=False)
            return attribute.of_class(jax.nn.softmax(logits), labels)

        maps = attributions(net, mine, model_state, batch, layer=layer)
        others = attributions(
            net, evidence.randomised(mine, shuffle), model_state, batch, layer=layer
        )
        maps["random"] = jax.random.uniform(draw, images.shape[:3])
        values = {}
        for name, heatmap in maps.items():
            if "mask" in batch:
                values[f"{name}_hit"] = evidence.hit(heatmap, batch["mask"])
                values[f"{name}_mass"] = evidence.mass(heatmap, batch["mask"])
            for curve in (evidence.deletion, evidence.insertion):
                points = curve(probability, images, heatmap)
                values[f"{name}_{curve.__name__}"] = evidence.area(points)
            if name in others:
                values[f"{name}_shuffled"] = evidence.rank_correlation(
                    heatmap, others[name]
                )
        count = weight.sum()
        return {k: (jnp.sum(value * weight), count) for k, value in values.items()}

    return probe
