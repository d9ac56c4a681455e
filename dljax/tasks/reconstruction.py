"""Reconstruction: through a code, what was the image?"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dljax.errors import UserError
from dljax.models.autoencoder import Autoencoder
from dljax.types import Task, Turn

MOST = 4096  # values of an image whose covariance is kept


def reconstruction(
    nets: Autoencoder,
    optimizer: Any,
    *,
    example: Any,
    corrupt: Callable[[jax.Array, Any], Any] | None = None,
    taught: bool = True,
    code: int = 0,
) -> Task:
    """Mean squared error over batches {"image": (b, h, w, c)}.

    Args:
      nets: the encoder and the decoder; what it gives are pixels.
      example: one batch of images, for its shape.
      corrupt: (key, images) -> images: what is encoded, in training and in tests, where
        the image itself is asked for (a denoising autoencoder, Vincent et al. 2008).
      taught: False corrupts in tests alone.
      code: measures PCA too, of so many components, on test data: of the training
        images that the run saw, whose covariance it keeps.

    Measures `mse`, the mean over pixels and images; with `corrupt`, `noise_left`, its
    share of that of what is encoded; with `code`, `pca_mse`, and `beyond_pca`, the
    share of it by which `mse` is above.

    Raises:
      UserError: PCA of images that have more than `MOST` values.
    """
    if code and example[0].size > MOST:
        raise UserError(
            f"--resize: PCA of {example[0].size} values an image takes too much "
            f"memory; make images smaller, of {MOST} at most"
        )

    def init(key):
        first, second = jax.random.split(key)
        encoder, model_state = nets.encode.init(first, example)
        z, _ = nets.encode.apply(encoder, model_state, example, key=first, train=False)
        decoder, others = nets.decode.init(second, z)
        kept = {"encoder": model_state, "decoder": others}
        if code:
            n = example[0].size
            kept["moments"] = {"mean": jnp.zeros(n), "outer": jnp.zeros((n, n))}
            kept["moments"]["count"] = jnp.zeros([])
        return {"net": {"encoder": encoder, "decoder": decoder}}, kept

    def given(batch, key, train=False):
        if corrupt is None or (train and not taught):
            return batch["image"]
        return corrupt(key, batch["image"])

    def answers(params, model_state, x, key, train) -> tuple[Any, Any]:
        p = params["net"]
        first, second = (None, None) if key is None else jax.random.split(key)
        z, encoder = nets.encode.apply(
            p["encoder"], model_state["encoder"], x, key=first, train=train
        )
        y, decoder = nets.decode.apply(
            p["decoder"], model_state["decoder"], z, key=second, train=train
        )
        return y, {**model_state, "encoder": encoder, "decoder": decoder}

    def errors(x, y):
        return ((x - y) ** 2).mean((1, 2, 3))

    def loss(params, model_state, batch, key, step):
        del step
        noise, key = jax.random.split(key)
        y, new = answers(params, model_state, given(batch, noise, True), key, True)
        if code:
            new["moments"] = _added(model_state["moments"], batch["image"])
        return errors(batch["image"], y).mean(), ({}, new)

    def metrics(params, model_state, batch, key):
        weight, count = batch["weight"], batch["weight"].sum()
        x = given(batch, key)
        y, _ = answers(params, model_state, x, None, False)
        missed = (errors(batch["image"], y) * weight).sum()
        if corrupt is None:
            return {"mse": (missed, count)}
        whole = (errors(batch["image"], x) * weight).sum()
        return {"mse": (missed, count), "noise_left": (missed, whole)}

    def probe(params, model_state, batch, key):
        del key
        mean, basis = principal(model_state["moments"], code)
        rest = batch["image"].reshape(len(batch["weight"]), -1) - mean[None]
        weight = batch["weight"]
        least = (((rest - (rest @ basis) @ basis.T) ** 2).mean(-1) * weight).sum()
        y, _ = answers(params, model_state, batch["image"], None, False)
        missed = (errors(batch["image"], y) * weight).sum()
        return {"pca_mse": (least, weight.sum()), "beyond_pca": (missed - least, least)}

    def sample(params, model_state, batch, key):
        x = given(batch, key)
        y, _ = answers(params, model_state, x, None, False)
        return {"corrupted": x, "reconstructed": y}

    turns = (Turn("net", loss, optimizer),)
    return Task(init, turns, metrics, sample, probe if code else None)


def _added(moments, images):
    """Sums of images (b, ...) and of their products, as vectors, with these."""
    x = images.reshape(len(images), -1)
    new = {"mean": x.sum(0), "outer": x.T @ x, "count": jnp.float32(len(x))}
    return jax.tree.map(jnp.add, moments, new)


def principal(moments: Any, code: int) -> tuple[jax.Array, jax.Array]:
    """The mean (n,) and the `code` first principal components (n, code) of sums."""
    count = jnp.maximum(moments["count"], 1.0)
    mean = moments["mean"] / count
    covariance = moments["outer"] / count - mean[:, None] * mean[None]
    _, vectors = jnp.linalg.eigh(covariance)
    return mean, vectors[:, ::-1][:, :code]
