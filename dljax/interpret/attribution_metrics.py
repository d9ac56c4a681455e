"""Attributions of a classifier by all methods, and metrics of their quality."""

from collections.abc import Callable
from typing import Any

import jax

from dljax.interpret import attribute, evidence
from dljax.types import Batch, Metrics, Net


def attributions(
    net: Net, params: Any, model_state: Any, batch: Batch, *, layer: str = ""
) -> dict[str, jax.Array]:
    """Attribution maps of the label's logit by each method: {method: (b, h, w)}.

    "gradient": largest absolute value over channels. "integrated": integrated gradients
    from black, summed over channels. "occlusion": by patches of a quarter of the
    height. "grad_cam": of `layer`, if given.

    Args:
      net, params, model_state: the network, images -> logits (b, classes).
      batch: {"image": (b, h, w, c), "label": int (b,)}.
      layer: see `attribute.grad_cam`; "": no Grad-CAM.
    """
    images, labels = batch["image"], batch["label"]

    def label_logit(images):
        logits, _ = net.apply(params, model_state, images, key=None, train=False)
        return attribute.select_class(logits, labels)

    gradient = attribute.saliency(label_logit, images)
    integrated = attribute.integrated_gradients(label_logit, images)
    size = max(1, images.shape[1] // 4)
    maps = {
        "gradient": attribute.reduce_channels(gradient, reduction="max_abs"),
        "integrated": attribute.reduce_channels(integrated, reduction="sum"),
        "occlusion": attribute.occlusion(label_logit, images, size=size, stride=1),
    }
    if layer:
        maps["grad_cam"] = attribute.grad_cam(
            net, params, model_state, images, labels, layer=layer
        )
    return maps


def attribution_metrics(net: Net, *, layer: str = "") -> Callable[..., Metrics]:
    """Returns a `Task.final_metrics` that measures the attributions of a classifier.

    Params are {"net"}. Batches may have "mask" (b, h, w), 1 where the evidence lies.
    All metrics are means over examples; see `interpret.evidence`. For each METHOD, and
    for METHOD "random", a random map:

    METHOD_hit, METHOD_mass: pointing game and mass in the mask, if batches have one.
    METHOD_deletion, METHOD_insertion: areas under the label's probability.
    METHOD_shuffled: rank correlation with the map of the net with shuffled weights; not
      for "random".

    Args:
      net: images -> logits (b, classes).
      layer: see `attributions`.
    """

    def final_metrics(params, model_state, batch, key):
        map_key, shuffle_key = jax.random.split(key)
        images, weight = batch["image"], batch["weight"]
        net_params = params["net"]

        def probability(images):
            logits, _ = net.apply(
                net_params, model_state, images, key=None, train=False
            )
            return attribute.select_class(jax.nn.softmax(logits), batch["label"])

        maps = attributions(net, net_params, model_state, batch, layer=layer)
        shuffled = evidence.randomize_kernels(net_params, shuffle_key)
        shuffled_maps = attributions(net, shuffled, model_state, batch, layer=layer)
        maps["random"] = jax.random.uniform(map_key, images.shape[:3])
        values = {}
        for name, attribution in maps.items():
            if "mask" in batch:
                mask = batch["mask"]
                values[f"{name}_hit"] = evidence.pointing_game(attribution, mask)
                values[f"{name}_mass"] = evidence.mass_in_mask(attribution, mask)
            for curve in (evidence.deletion, evidence.insertion):
                scores = curve(probability, images, attribution)
                values[f"{name}_{curve.__name__}"] = evidence.area_under_curve(scores)
            if name in shuffled_maps:
                values[f"{name}_shuffled"] = evidence.rank_correlation(
                    attribution, shuffled_maps[name]
                )
        count = weight.sum()
        return {name: ((v * weight).sum(), count) for name, v in values.items()}

    return final_metrics
