"""The networks of dljax/models at tiny widths, each as a family to hold laws on."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import optax
from families import Family, blots, denoising, table

from dljax.models.all_conv import all_conv
from dljax.models.cnn import cnn
from dljax.models.diffusion import unet
from dljax.models.mlp import mlp
from dljax.models.net import map_inputs
from dljax.models.recurrent import recurrent
from dljax.models.resnet import resnet
from dljax.models.transformer import extract_patches, transformer
from dljax.models.video import cnn_3d, cnn_frames
from dljax.tasks.classification import classification
from dljax.tasks.conditional_generators import conditional_generator
from dljax.training.optimizers import adamw, params_ema, sgd


def vit():
    """A Transformer of squares; without biases, of which those of keys do nothing."""
    options = {"depth": 1, "heads": 2, "max_len": 4, "bias": False, "dropout": 0.1}
    net = transformer("encoder", 8, 2, **options)
    return map_inputs(net, lambda x: extract_patches(x, 2))


IMAGE, CLIP, STEPS = (4, 4, 1), (2, 4, 4, 1), (3, 2)
NETS = {
    "mlp": (lambda: mlp((4,), 2), IMAGE),
    "lenet": (lambda: cnn((2,), 4, 2), IMAGE),
    "resnet8": (lambda: resnet(8, 2, width=2), IMAGE),
    "all_conv": (lambda: all_conv((2,), 2, repeats=0), IMAGE),
    "cnn_3d": (lambda: cnn_3d((2,), 4, 2), CLIP),
    "cnn_frames": (lambda: cnn_frames((2,), 4, 2), CLIP),
    "rnn": (lambda: recurrent("many_to_one", "rnn", 4, 2), STEPS),
    "gru": (lambda: recurrent("many_to_one", "gru", 4, 2), STEPS),
    "lstm": (lambda: recurrent("many_to_one", "lstm", 4, 2, dropout=0.1), STEPS),
    "vit": (vit, IMAGE),
}


def _family(name: str) -> Callable[[], Family]:
    """Bright or dark, with gradients of two steps together and an EMA of all."""

    def make():
        build, shape = NETS[name]
        rng = np.random.default_rng(0)
        label = rng.integers(0, 2, 140).astype(np.int32)
        image = rng.random((140, *shape)).astype(np.float32)
        image += label.reshape(-1, *[1] * len(shape))
        optimizer = adamw(0.01, ema=0.5, accumulate=2)
        task = classification(build(), optimizer, example=jnp.zeros((1, *shape)))
        return Family(task, table({"image": image, "label": label}), "loss")

    return make


NETWORKS = {name: _family(name) for name in NETS}


def dcgan() -> Family:
    """A game of images of classes: batch and spectral norm, an EMA of the generator.

    By SGD: biases before a norm have no gradient but rounding, which Adam enlarges.
    """
    optimizers = {
        "generator": optax.chain(sgd(0.05), params_ema(0.9)),
        "critic": sgd(0.05),
    }
    example = jnp.zeros((1, *IMAGE))
    task = conditional_generator(
        "gan", example, num_classes=2, width=8, optimizers=optimizers
    )
    return Family(task, blots(), "gap")


NETWORKS["dcgan"] = dcgan
NETWORKS["unet"] = lambda: denoising(unet((16,), classes=2, heads=2, dropout=0.1))
