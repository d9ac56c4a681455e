"""Variational autoencoders of images (Kingma, Welling 2014).

The posterior q(z | x) is a diagonal Gaussian, the prior p(z) a standard Gaussian. ELBO:
the evidence lower bound of log p(x).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dljax.models.autoencoder import Autoencoder
from dljax.tasks.single_net import weighted_sum
from dljax.types import SampleEvaluator, Task, Turn

LIKELIHOODS = ("bernoulli", "gaussian")
CHUNK = 10  # posterior samples per image at a time, for the importance-weighted bound
PLANE_SIDE = 10  # images per side of the plane of codes
INTERPOLATION_STEPS = 10  # images from one code to another


class Vae(NamedTuple):
    """The two networks of a VAE and its distributions; see `vae` for the fields."""

    nets: Autoencoder
    latent_size: int
    likelihood: str
    num_classes: int
    dynamic_binarization: bool


class ElboTerms(NamedTuple):
    """The two terms of the negative ELBO, each (b,), in nats.

    Attributes:
      reconstruction_nll: -log p(x | z) for one sample z of the posterior.
      kl: KL(q(z | x) || p(z)).
    """

    reconstruction_nll: jax.Array
    kl: jax.Array


def vae(
    nets: Autoencoder,
    optimizer: Any,
    *,
    example: Any,
    latent_size: int,
    likelihood: str = "bernoulli",
    beta: Any = 1.0,
    num_classes: int = 0,
    dynamic_binarization: bool = False,
    importance_samples: int = 0,
    metric_suffix: str = "",
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """Minimizes the negative ELBO of {"image": (b, h, w, c) in [0, 1]}.

    Metrics, in nats per image: `nelbo` = `reconstruction_nll` + `kl`, with one
    posterior sample per image. After training, with `importance_samples`: `iw_nll`, the
    importance-weighted upper bound of -log p(x), and `bound`, the mean of `nelbo` over
    the samples. With "gaussian": `scale`, the standard deviation of pixels.

    Args:
      nets: the encoder, which returns 2 * latent_size values, and the decoder.
      optimizer: an Optax transformation.
      example: one batch of images, for its shape.
      latent_size: dimensions of z.
      likelihood: "bernoulli": the decoder returns the logit of each pixel; "gaussian":
        the mean of each pixel, with one learned variance for all pixels.
      beta: weight of the KL term in the loss (Higgins et al. 2017); metrics ignore it.
      num_classes: number of classes; 0: unconditional. The one-hot label is
        concatenated to z. Samples have the batch's labels, "target_class".
      dynamic_binarization: samples each pixel from a Bernoulli of its grey value, at
        each update and evaluation.
      importance_samples: posterior samples per test image for `iw_nll` (Burda, Grosse,
        Salakhutdinov 2016), rounded up to a multiple of 10; 0: not measured.
      metric_suffix: appends "_SUFFIX" to the names of the metrics, to tell how grey
        pixels were binarized. `nelbo` is also measured without it, to compare variants.
      sample_evaluator: see `Task.sample_evaluator`.

    Raises:
      ValueError: an unknown likelihood.
    """
    if likelihood not in LIKELIHOODS:
        raise ValueError(f"likelihood {likelihood}: must be one of {LIKELIHOODS}")
    model = Vae(nets, latent_size, likelihood, num_classes, dynamic_binarization)
    suffix = f"_{metric_suffix}" if metric_suffix else ""

    def init(key):
        return init_vae(model, key, example)

    def loss(params, model_state, batch, key, step):
        del step
        terms, model_state = elbo_terms(
            model, params, model_state, batch, key, train=True
        )
        value = (terms.reconstruction_nll + beta * terms.kl).mean()
        return value, ({}, model_state)

    def metrics(params, model_state, batch, key):
        terms, _ = elbo_terms(model, params, model_state, batch, key, train=False)
        weight = batch["weight"]
        values = {"nelbo": terms.reconstruction_nll + terms.kl, **terms._asdict()}
        sums = {k + suffix: weighted_sum(v, weight) for k, v in values.items()}
        sums["nelbo"] = sums[f"nelbo{suffix}"]
        if likelihood == "gaussian":
            scale, count = jnp.exp(params["net"]["log_scale"]), weight.sum()
            sums["scale"] = (scale * count, count)
        return sums

    def final_metrics(params, model_state, batch, key):
        log_weights = log_importance_weights(
            model, params, model_state, batch, key, num_samples=importance_samples
        )
        log_mean = jax.nn.logsumexp(log_weights, axis=0) - jnp.log(len(log_weights))
        weight, count = batch["weight"], batch["weight"].sum()
        return {
            f"iw_nll{suffix}": (-(log_mean * weight).sum(), count),
            f"bound{suffix}": (-(log_weights.mean(0) * weight).sum(), count),
        }

    def sample(params, model_state, batch, key):
        return sample_images(model, params, model_state, batch, key)

    return Task(
        init,
        (Turn("net", loss, optimizer),),
        metrics,
        sample,
        final_metrics if importance_samples else None,
        sample_evaluator,
    )


def init_vae(model: Vae, key: jax.Array, example: Any) -> tuple[Any, Any]:
    """Returns the initial ({"net": params}, model_state) of encoder and decoder."""
    encoder_key, decoder_key = jax.random.split(key)
    encoder, encoder_state = model.nets.encode.init(encoder_key, example)
    z = jnp.zeros((1, model.latent_size + model.num_classes))
    decoder, decoder_state = model.nets.decode.init(decoder_key, z)
    params = {"encoder": encoder, "decoder": decoder}
    if model.likelihood == "gaussian":
        params["log_scale"] = jnp.zeros([])
    return {"net": params}, {"encoder": encoder_state, "decoder": decoder_state}


def binarize(model: Vae, image: jax.Array, key: jax.Array) -> jax.Array:
    """Samples pixels as Bernoulli of their grey values, if the model does so."""
    if not model.dynamic_binarization:
        return image
    return jax.random.bernoulli(key, image).astype(image.dtype)


def encode(model: Vae, params: Any, model_state: Any, x: Any, *, train: bool) -> tuple:
    """Mean and log variance (b, latent_size) of q(z | x); the encoder's model_state."""
    z, encoder_state = model.nets.encode.apply(
        params["net"]["encoder"], model_state["encoder"], x, key=None, train=train
    )
    mean, log_variance = jnp.split(z, 2, -1)
    return mean, log_variance, encoder_state


def decode(
    model: Vae, params: Any, model_state: Any, z: Any, label: Any, *, train: bool
) -> tuple[jax.Array, Any]:
    """Pixel logits or means (b, h, w, c) of p(x | z); the decoder's model_state."""
    if model.num_classes:
        z = jnp.concatenate([z, jax.nn.one_hot(label, model.num_classes)], -1)
    return model.nets.decode.apply(
        params["net"]["decoder"], model_state["decoder"], z, key=None, train=train
    )


def reparameterize(mean: jax.Array, log_variance: jax.Array, key: jax.Array) -> Any:
    """Samples the Gaussian, differentiably in its mean and log variance."""
    noise = jax.random.normal(key, mean.shape)
    return mean + jnp.exp(log_variance / 2) * noise


def reconstruction_nll(model: Vae, params: Any, x: Any, output: Any) -> jax.Array:
    """-log p(x | z), (b,), in nats, given the decoder's output."""
    if model.likelihood == "bernoulli":
        return optax.sigmoid_binary_cross_entropy(output, x).sum((1, 2, 3))
    log_scale = params["net"]["log_scale"]
    pixel_nll = ((x - output) * jnp.exp(-log_scale)) ** 2 / 2 + log_scale
    return pixel_nll.sum((1, 2, 3)) + x[0].size * jnp.log(2 * jnp.pi) / 2


def elbo_terms(
    model: Vae, params: Any, model_state: Any, batch: Any, key: Any, *, train: bool
) -> tuple[ElboTerms, Any]:
    """The terms of the negative ELBO of a batch, and the networks' model_state."""
    binarize_key, noise_key = jax.random.split(key)
    x = binarize(model, batch["image"], binarize_key)
    mean, log_variance, encoder_state = encode(
        model, params, model_state, x, train=train
    )
    z = reparameterize(mean, log_variance, noise_key)
    output, decoder_state = decode(
        model, params, model_state, z, batch.get("label"), train=train
    )
    kl = 0.5 * (mean**2 + jnp.exp(log_variance) - log_variance - 1).sum(-1)
    terms = ElboTerms(reconstruction_nll(model, params, x, output), kl)
    return terms, {"encoder": encoder_state, "decoder": decoder_state}


def log_importance_weights(
    model: Vae, params: Any, model_state: Any, batch: Any, key: Any, *, num_samples: int
) -> jax.Array:
    """log p(x, z) - log q(z | x) of samples z of the posterior, (samples, b).

    Computed `CHUNK` samples at a time; `num_samples` is rounded up to a multiple of it.
    """
    binarize_key, noise_key = jax.random.split(key)
    x = binarize(model, batch["image"], binarize_key)
    mean, log_variance, _ = encode(model, params, model_state, x, train=False)

    def log_weight(key):
        z = reparameterize(mean, log_variance, key)
        output, _ = decode(
            model, params, model_state, z, batch.get("label"), train=False
        )
        # The constants of both Gaussians cancel.
        log_prior = -(z**2) / 2
        log_posterior = (
            -((z - mean) ** 2) / 2 * jnp.exp(-log_variance) - log_variance / 2
        )
        nll = reconstruction_nll(model, params, x, output)
        return (log_prior - log_posterior).sum(-1) - nll

    chunks = -(-num_samples // CHUNK)
    keys = jax.random.split(noise_key, (chunks, CHUNK))
    return jax.lax.map(jax.vmap(log_weight), keys).reshape(chunks * CHUNK, -1)


def sample_images(
    model: Vae, params: Any, model_state: Any, batch: Any, key: Any
) -> dict[str, jax.Array]:
    """Images from the prior, reconstructions, and walks through the latent space.

    Returns:
      "binarised": the encoder's inputs; "reconstructed": decoded posterior means;
      "interpolated": decoded line from the first image's code to the code farthest
      from it; "generated": from the prior; "code_plane": decoded `plane_of_codes`;
      "latent_mean" (b, latent_size); with classes "target_class" (b,).
    """
    binarize_key, prior_key = jax.random.split(key)
    x = binarize(model, batch["image"], binarize_key)
    mean, _, _ = encode(model, params, model_state, x, train=False)
    walk = interpolate(mean)
    z = jax.random.normal(prior_key, mean.shape)
    plane = plane_of_codes(mean)
    label = batch.get("label", jnp.zeros(len(x), jnp.int32))

    def images(z, label):
        output, _ = decode(model, params, model_state, z, label, train=False)
        return jax.nn.sigmoid(output) if model.likelihood == "bernoulli" else output

    samples = {
        "binarised": x,
        "reconstructed": images(mean, label),
        "interpolated": images(walk, label[:1].repeat(len(walk))),
        "generated": images(z, label),
        "code_plane": images(plane, label[:1].repeat(len(plane))),
        "latent_mean": mean,
    }
    return {**samples, "target_class": label} if model.num_classes else samples


def interpolate(mean: jax.Array) -> jax.Array:
    """Codes on the line from the first code to the code farthest from it.

    Args:
      mean: codes (b, k).

    Returns:
      (INTERPOLATION_STEPS, k).
    """
    share = jnp.linspace(0, 1, INTERPOLATION_STEPS)[:, None]
    squared_distance = ((mean - mean[:1]) ** 2).sum(-1)
    farthest = mean[squared_distance.argmax()][None]
    return (1 - share) * mean[:1] + share * farthest


def plane_of_codes(mean: jax.Array) -> jax.Array:
    """A grid of codes over the two dimensions of largest variance.

    Args:
      mean: codes (b, k).

    Returns:
      (PLANE_SIDE**2, k), at quantiles of the prior; the other dimensions are 0.
    """
    # The midpoints of PLANE_SIDE intervals of equal prior probability.
    quantiles = jax.scipy.stats.norm.ppf((jnp.arange(PLANE_SIDE) + 0.5) / PLANE_SIDE)
    grid = [jnp.tile(quantiles, PLANE_SIDE), jnp.repeat(quantiles, PLANE_SIDE)]
    dimensions = jnp.argsort(-mean.var(0))[:2]
    codes = jnp.zeros((PLANE_SIDE**2, mean.shape[1]))
    return codes.at[:, dimensions].set(jnp.stack(grid, 1)[:, : len(dimensions)])
