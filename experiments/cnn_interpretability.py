"""Do attributions show which pixels a CNN uses?

Claim: "What a CNN decides by cannot be seen from outside."

Every digit gets a patch of 4x4 pixels in one of its four corners. The pattern of the
patch alone is the label, so that the relevant pixels are known. Four attributions are
measured (gradient, integrated gradients, Grad-CAM, occlusion):

    hit        the pixel of the largest attribution is in the patch
    mass       the share of the attribution that is in the patch
    deletion   area under the curve of the label's probability as pixels are removed,
               those of the largest attribution first
    insertion  the same as pixels are inserted
    shuffled   rank correlation with the attribution after the weights are shuffled

The rule looks at integrated gradients of the CNN, which were chosen beforehand. An MLP
and a linear classifier, about as accurate, are reported.

    python -m experiments.cnn_interpretability  # about a minute
"""

import dataclasses
import sys

from dljax import cli
from dljax.config import RunConfig, flag
from dljax.studies.study import Study

NETWORKS = ("cnn", "mlp", "linear")
MARKS = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    network: str = flag("cnn", "network", choices=NETWORKS)
    canvas: int = flag(12, "side of the canvas; each image at a random position", low=8)
    channels: int = flag(
        8, "channels of the first convolution; doubled in the next", low=1
    )
    hidden: int = flag(64, "width of the fully connected layer", low=1)
    learning_rate: float = flag(3e-3, "Adam's learning rate", low=0)
    seeds: int = flag(10, "number of seeds (10: two rounds of the five folds)", low=1)
    epochs: float = flag(40.0, "passes over the training data", low=0)
    batch_size: int = flag(16, "examples per batch", low=1)


def rule(hit, deletion, insertion, shuffled):
    """Supported if for integrated gradients of the CNN the pixel of the largest
    attribution is in the patch in less than 50 % of the images (simultaneous interval),
    or the deletion or the insertion curve is worse than that of a random order
    (Holm-adjusted tests at 0.05); refuted if that pixel is in the patch in more than
    80 %, both curves are better than those of a random order, and the rank correlation
    after shuffling the weights is below 0.5 (simultaneous intervals; Holm-adjusted
    tests at 0.05 for the curves); else undecided.
    """
    if hit.below(0.5) or deletion.above(0) or insertion.below(0):
        return "supported"
    visible = hit.above(0.8) and deletion.below(0) and insertion.above(0)
    return "refuted" if visible and shuffled.below(0.5) else "undecided"


STUDY = Study(
    claim="What a CNN decides by cannot be seen from outside.",
    family="convolutional",
    factors={"network": NETWORKS},
    primary_metric="accuracy",
    contrasts={
        "hit": ("cnn@integrated_hit", 0.0),
        "deletion": ("cnn@integrated_deletion", "cnn@random_deletion"),
        "insertion": ("cnn@integrated_insertion", "cnn@random_insertion"),
        "shuffled": ("cnn@integrated_shuffled", 0.0),
    },
    rule=rule,
    smoke={"steps": 3, "seeds": 2, "channels": 2, "hidden": 4, "network": ("cnn",)},
    default_is_full={
        "digits": "the evidence is planted, and the data set has no more than these "
        "1,797 images"
    },
)


def source(config):
    """Images on a larger canvas, each with a patch in a corner that is the label."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from dljax.interpret.evidence import plant_patterns
    from dljax.sources.loading import load_source
    from dljax.sources.resident import take_rows
    from dljax.sources.transforms import on_canvas

    images = on_canvas(load_source(config), config.canvas)
    rows = jnp.arange(len(images.arrays["label"]))
    pixels = images.gather(images.arrays, rows)["image"]
    marked = plant_patterns(pixels, jax.random.key(0), classes=MARKS, corners=True)
    return images._replace(
        arrays={name: np.asarray(array) for name, array in marked.items()},
        gather=take_rows,
        classes=tuple(f"mark {i}" for i in range(MARKS)),
        fingerprint=f"{images.fingerprint}-marked",
    )


def task(config, source, numbers):
    """Classification, with a probe of the quality of four attributions."""
    import jax.numpy as jnp

    from dljax.interpret.attribution_metrics import attribution_metrics, attributions
    from dljax.models.cnn import cnn
    from dljax.models.mlp import mlp
    from dljax.tasks.classification import classification
    from dljax.training.optimizers import adamw

    if config.network == "cnn":
        net = cnn((config.channels, 2 * config.channels), config.hidden, MARKS)
    else:
        net = mlp((config.hidden,) if config.network == "mlp" else (), MARKS)
    layer = "Conv_1" if config.network == "cnn" else ""
    example = jnp.zeros((1, config.canvas, config.canvas, 1))
    base = classification(net, adamw(config.learning_rate), example=example)

    def sample(params, model_state, batch, key):
        maps = attributions(net, params["net"], model_state, batch, layer=layer)
        samples = base.sample(params, model_state, batch, key) if base.sample else {}
        return {**samples, **maps}

    return base._replace(
        final_metrics=attribution_metrics(net, layer=layer), sample=sample
    )


if __name__ == "__main__":
    cli.main(sys.modules[__name__])
