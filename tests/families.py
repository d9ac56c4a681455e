"""One tiny task of each kind, each with a source of its own: what the laws run on.

`better` is the test metric that must fall when the task is trained; `deterministic` is
False where the loss draws noise, which other device counts draw otherwise.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from dljax.datasets.array_dataset import ArrayDataset
from dljax.models.autoencoder import autoencoder
from dljax.models.diffusion import dit
from dljax.models.layers import Conv, Dropout
from dljax.models.net import net
from dljax.models.recurrent import recurrent
from dljax.models.transformer import transformer
from dljax.ops.pooling import max_pool
from dljax.sources.lm_windows import lm_windows
from dljax.sources.resident import order
from dljax.tasks import diffusion as of_diffusion
from dljax.tasks import gan as of_gan
from dljax.tasks import masked as of_masks
from dljax.tasks import vae as of_vae
from dljax.tasks.classification import classification
from dljax.tasks.probing import probing
from dljax.tasks.reconstruction import reconstruction
from dljax.tasks.tokens import tokens
from dljax.training.optimizers import adamw, sgd
from dljax.types import Net, Source, Task, Turn


class Family(NamedTuple):
    task: Task
    source: Source
    better: str
    batch_size: int = 16


def table(arrays: dict[str, Any], *, train: int = 96, valid: int = 20) -> Source:
    """A source of the rows of `arrays`; seed s leaves s rows out of its test set."""
    n = len(next(iter(arrays.values())))

    def split(seed):
        return {
            "train": np.arange(train),
            "valid": np.arange(train, train + valid),
            "test": np.arange(train + valid + seed % 3, n),
        }

    def gather(arrays, rows):
        return {name: jnp.take(array, rows, 0) for name, array in arrays.items()}

    return Source("table", "1", "0", arrays, split, order, gather)


def _points(n: int) -> np.ndarray:
    """Two blobs in the plane, as float32 (n, 2)."""
    rng = np.random.default_rng(1)
    centre = np.where(rng.random((n, 1)) < 0.5, -1.0, 1.0)
    return (centre * [1.0, 0.5] + 0.2 * rng.normal(size=(n, 2))).astype(np.float32)


class _Classifier(nn.Module):
    @nn.compact
    def __call__(self, x, *, train: bool = False):
        x = Conv(4, bias=False)(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        x = max_pool(jax.nn.relu(x))
        x = Dropout(0.2)(x.reshape(x.shape[0], -1), train=train)
        return nn.Dense(2)(x)


def classifier(augment=None, **options) -> Family:
    """Light above or below: BatchNorm, dropout, EMA of weights and model_state."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 140).astype(np.int32)
    image = rng.random((140, 4, 4, 1)).astype(np.float32)
    image[:, :2] += 0.6 * label[:, None, None, None]
    source = table({"image": image, "label": label})
    options = {"ema": 0.9, "clip": 1.0, "weight_decay": 1e-3, **options}
    optimizer = adamw(0.02, **options)
    task = classification(
        net(_Classifier()),
        optimizer,
        example=jnp.zeros((1, 4, 4, 1)),
        augment=augment,
    )
    return Family(task, source, "loss")


class _Dense(nn.Module):
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, x, *, train: bool = False):
        for width in self.widths[:-1]:
            x = jnp.tanh(nn.Dense(width)(x))
        return nn.Dense(self.widths[-1])(x)


def plain() -> Family:
    """Regression without any noise: the deterministic one."""
    x = _points(140)
    source = table({"x": x, "y": x[:, :1] * x[:, 1:]})
    model = net(_Dense((8, 1)))

    def init(key):
        params, model_state = model.init(key, jnp.zeros((1, 2)))
        return {"net": params}, model_state

    def error(params, model_state, batch):
        y, _ = model.apply(
            params["net"], model_state, batch["x"], key=None, train=False
        )
        return ((y - batch["y"]) ** 2)[:, 0]

    def loss(params, model_state, batch, key, step):
        del key, step
        return error(params, model_state, batch).mean(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        del key
        weight = batch["weight"]
        return {
            "mse": ((error(params, model_state, batch) * weight).sum(), weight.sum())
        }

    return Family(Task(init, (Turn("net", loss, adamw(0.02)),), metrics), source, "mse")


def gan() -> Family:
    """Critic, critic, generator, on points; each turn has a batch of its own."""
    source = table({"x": _points(140) + 2})
    critic = net(_Dense((8, 1)))

    def score(*args, **options):
        y, model_state = critic.apply(*args, **options)
        return y[:, 0], model_state

    task = of_gan.gan(
        net(_Dense((8, 2))),
        critic._replace(apply=score),
        {name: adamw(0.01, b1=0.5) for name in ("critic", "generator")},
        example=jnp.zeros((1, 2)),
        latent_size=2,
        objective="wasserstein",
        order=("critic", "critic", "generator"),
        penalty_weight=1.0,
        input_key="x",
    )

    def metrics(params, model_state, batch, key):
        """How far the mean of what is made is from each real point."""
        weight = batch["weight"]
        assert task.sample is not None
        z = {"x": jnp.zeros((64, 2))}
        made = task.sample(params, model_state, z, jax.random.key(0))["generated"].mean(
            0
        )
        del key
        error = ((batch["x"] - made[None]) ** 2).sum(-1)
        return {"distance": ((error * weight).sum(), weight.sum())}

    return Family(task._replace(metrics=metrics), source, "distance", batch_size=24)


def blots() -> Source:
    """Images (4, 4, 1) that are light above or below, and which."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 140).astype(np.int32)
    image = 0.2 * rng.random((140, 4, 4, 1)).astype(np.float32)
    image[label == 0, :2] += 0.7
    image[label == 1, 2:] += 0.7
    return table({"image": image, "label": label})


def reconstructing() -> Family:
    """An autoencoder that keeps the covariance that PCA needs."""
    task = reconstruction(
        autoencoder("dense", (4, 4, 1), 2, hidden=(8,)),
        adamw(0.01),
        example=jnp.zeros((1, 4, 4, 1)),
        pca_components=2,
    )
    return Family(task, blots(), "mse")


def vae() -> Family:
    """A convolutional variational autoencoder; its noise comes from the turn's key."""
    nets = autoencoder("conv", (4, 4, 1), 2, channels=(4,), codes=2)
    task = of_vae.vae(
        nets,
        adamw(0.01),
        example=jnp.zeros((1, 4, 4, 1)),
        latent_size=2,
        num_classes=2,
        importance_samples=10,
    )
    return Family(task, blots(), "nelbo")


def diffusion() -> Family:
    """A Transformer that removes noise from images of a class, with an EMA."""
    return denoising(dit(2, 8, depth=1, heads=2, classes=2, bias=False, dropout=0.1))


def denoising(net: Net) -> Family:
    """Diffusion of small images of two classes."""
    task = of_diffusion.diffusion(
        net,
        adamw(0.01, ema=0.9),
        example=jnp.zeros((1, 4, 4, 1)),
        num_classes=2,
        samplers={"generated": of_diffusion.Sampler(steps=4, guidance=1.0)},
    )
    return Family(task, blots(), "mse")


VOCABULARY, LENGTH = 6, 5


def seq2seq() -> Family:
    """Encoder, attention and decoder that reverse words, taught with the right past."""
    rng = np.random.default_rng(2)
    words = rng.integers(1, VOCABULARY, (140, LENGTH)).astype(np.int32)
    there = np.arange(LENGTH) < rng.integers(3, LENGTH + 1, (140, 1))
    turn = np.where(there, there.sum(-1, keepdims=True) - 1 - np.arange(LENGTH), 0)
    y = np.take_along_axis(words, turn, -1)
    arrays = {"x": words, "y": y, "decoder_inputs": np.pad(y, ((0, 0), (1, 0)))[:, :-1]}
    source = table({**arrays, "mask": there.astype(np.float32)})
    net = recurrent(
        "attention", "lstm", 16, VOCABULARY, vocabulary=VOCABULARY, embedding=8
    )
    input_keys = ("x", "mask", "decoder_inputs")
    task = tokens(
        net,
        adamw(0.02, ema=0.5),
        example={name: source.arrays[name][:1] for name in input_keys},
        input_keys=input_keys,
        mask_key="mask",
        max_new_tokens=LENGTH,
    )
    return Family(task, source, "loss")


def windows() -> Source:
    """Windows of a running text, the last ones padded."""
    rng = np.random.default_rng(5)
    text = " ".join(rng.choice(["one", "and", "another"], 900)).encode()
    parts = np.array([text[:1500], text[1500:1700], text[1700:]])
    rows = {name: np.array([i]) for i, name in enumerate(("train", "valid", "test"))}
    return lm_windows(ArrayDataset("text", "1", {"text": parts}, rows, ()), context=8)


def decoder() -> Family:
    """A Transformer's decoder with dropout, scanned."""
    data = windows()
    # Without biases: those of keys have no gradient but rounding, which Adam enlarges.
    options = {"max_len": 8, "bias": False, "dropout": 0.1, "scan": True, "remat": True}
    net = transformer("decoder", 16, data.details.vocabulary.size, heads=2, **options)
    example = jnp.zeros((1, 8), jnp.int32)
    task = tokens(
        net, adamw(0.01), example=example, mask_key="y_mask", max_new_tokens=6
    )
    return Family(task, data, "loss")


def masked() -> Family:
    """Masked diffusion, by a Transformer that sees both ways."""
    data = windows()
    size = data.details.vocabulary.size
    options = {"depth": 1, "max_len": 8, "bias": False, "dropout": 0.1}
    net = transformer(
        "encoder", 16, size, vocabulary=size + 1, heads=2, pool="none", **options
    )
    options = {"example": jnp.zeros((1, 8), jnp.int32), "mask_key": "y_mask"}
    task = of_masks.masked(net, adamw(0.03), vocabulary_size=size, **options)
    return Family(task, data, "loss")


def probed() -> Family:
    """The classifier's net, and linear probes of what its layers pass on."""
    options = {"example": jnp.zeros((1, 4, 4, 1)), "outputs": 2, "probes": sgd(0.5)}
    task = probing(net(_Classifier()), adamw(0.02), **options)
    return Family(task, classifier().source, "loss")


FAMILIES = {
    "classifier": classifier,
    "plain": plain,
    "gan": gan,
    "autoencoder": reconstructing,
    "vae": vae,
    "diffusion": diffusion,
    "seq2seq": seq2seq,
    "transformer": decoder,
    "masked": masked,
    "probed": probed,
}
