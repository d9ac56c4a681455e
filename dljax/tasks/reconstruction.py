"""Autoencoders: reconstruct images, clean or corrupted, through a code."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dljax.errors import UserError
from dljax.models.autoencoder import Autoencoder
from dljax.tasks.single_net import weighted_sum
from dljax.types import Task, Turn

MAX_VALUES = 4096  # values per image, for PCA: limits the covariance matrix


def reconstruction(
    nets: Autoencoder,
    optimizer: Any,
    *,
    example: Any,
    corrupt: Callable[[jax.Array, Any], Any] | None = None,
    corrupt_training: bool = True,
    pca_components: int = 0,
) -> Task:
    """Minimizes the mean squared error of reconstructed {"image": (b, h, w, c)}.

    Metrics: `mse`, the mean over pixels and images. With `corrupt` also `noise_left`,
    `mse` over the mean squared error of the corrupted images. With `pca_components`
    also `pca_mse`, the error of PCA, and `beyond_pca`, `mse` / `pca_mse` - 1.

    Args:
      nets: the encoder, and the decoder, which returns pixels.
      optimizer: an Optax transformation.
      example: one batch of images, for its shape.
      corrupt: (key, images) -> corrupted images, the encoder's input in training and
        evaluation; the target is the clean image (a denoising autoencoder, Vincent et
        al. 2008).
      corrupt_training: False corrupts images in evaluation only.
      pca_components: number of components of a PCA, fitted to the run's training images
        and measured on test data; their covariance is accumulated in model_state. 0: no
        PCA.

    Raises:
      UserError: PCA of images with more than `MAX_VALUES` values.
    """
    num_values = example[0].size
    if pca_components and num_values > MAX_VALUES:
        raise UserError(
            "too-large-for-pca",
            f"--resize: PCA of {num_values} values per image takes too much "
            f"memory; give --resize=N, so that images have at most {MAX_VALUES} values",
        )

    def init(key):
        encoder_key, decoder_key = jax.random.split(key)
        encoder, encoder_state = nets.encode.init(encoder_key, example)
        z, _ = nets.encode.apply(
            encoder, encoder_state, example, key=encoder_key, train=False
        )
        decoder, decoder_state = nets.decode.init(decoder_key, z)
        model_state = {"encoder": encoder_state, "decoder": decoder_state}
        if pca_components:
            model_state["moments"] = _zero_moments(num_values)
        return {"net": {"encoder": encoder, "decoder": decoder}}, model_state

    def inputs(batch, key, train=False):
        if corrupt is None or (train and not corrupt_training):
            return batch["image"]
        return corrupt(key, batch["image"])

    def loss(params, model_state, batch, key, step):
        del step
        corrupt_key, net_key = jax.random.split(key)
        x = inputs(batch, corrupt_key, True)
        y, new_state = _reconstruct(nets, params, model_state, x, net_key, True)
        if pca_components:
            new_state["moments"] = _add_moments(model_state["moments"], batch["image"])
        return _squared_errors(batch["image"], y).mean(), ({}, new_state)

    def metrics(params, model_state, batch, key):
        x = inputs(batch, key)
        y, _ = _reconstruct(nets, params, model_state, x, None, False)
        weight = batch["weight"]
        error, count = weighted_sum(_squared_errors(batch["image"], y), weight)
        if corrupt is None:
            return {"mse": (error, count)}
        noise = (_squared_errors(batch["image"], x) * weight).sum()
        return {"mse": (error, count), "noise_left": (error, noise)}

    def final_metrics(params, model_state, batch, key):
        del key
        mean, basis = principal_components(model_state["moments"], pca_components)
        weight = batch["weight"]
        centred = batch["image"].reshape(len(weight), -1) - mean[None]
        residual = ((centred - (centred @ basis) @ basis.T) ** 2).mean(-1)
        pca_error, count = weighted_sum(residual, weight)
        y, _ = _reconstruct(nets, params, model_state, batch["image"], None, False)
        error = (_squared_errors(batch["image"], y) * weight).sum()
        return {
            "pca_mse": (pca_error, count),
            "beyond_pca": (error - pca_error, pca_error),
        }

    def sample(params, model_state, batch, key):
        x = inputs(batch, key)
        y, _ = _reconstruct(nets, params, model_state, x, None, False)
        return {"corrupted": x, "reconstructed": y}

    turns = (Turn("net", loss, optimizer),)
    return Task(init, turns, metrics, sample, final_metrics if pca_components else None)


def _reconstruct(nets, params, model_state, x, key, train) -> tuple[Any, Any]:
    """Decodes the encoded images; also returns the new model_state."""
    p = params["net"]
    encoder_key, decoder_key = (None, None) if key is None else jax.random.split(key)
    z, encoder = nets.encode.apply(
        p["encoder"], model_state["encoder"], x, key=encoder_key, train=train
    )
    y, decoder = nets.decode.apply(
        p["decoder"], model_state["decoder"], z, key=decoder_key, train=train
    )
    return y, {**model_state, "encoder": encoder, "decoder": decoder}


def _squared_errors(x, y):
    return ((x - y) ** 2).mean((1, 2, 3))


def _zero_moments(n):
    return {
        "mean": jnp.zeros(n),
        "outer": jnp.zeros((n, n)),
        "count": jnp.zeros([]),
    }


def _add_moments(moments, images):
    """Adds images (b, ...), flattened, to the sums of images and of outer products."""
    x = images.reshape(len(images), -1)
    new = {"mean": x.sum(0), "outer": x.T @ x, "count": jnp.float32(len(x))}
    return jax.tree.map(jnp.add, moments, new)


def principal_components(moments: Any, components: int) -> tuple[jax.Array, jax.Array]:
    """The mean (n,) and the first principal components (n, components).

    Args:
      moments: {"mean": sum of vectors (n,), "outer": sum of outer products (n, n),
        "count": number of vectors}.
      components: number of components.
    """
    count = jnp.maximum(moments["count"], 1.0)
    mean = moments["mean"] / count
    covariance = moments["outer"] / count - mean[:, None] * mean[None]
    _, vectors = jnp.linalg.eigh(covariance)
    return mean, vectors[:, ::-1][:, :components]
