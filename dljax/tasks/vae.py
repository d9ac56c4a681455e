"""Variational autoencoders: how likely is the image, by a code that is drawn?"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from dljax.models.autoencoder import Autoencoder
from dljax.types import SampleEvaluator, Task, Turn

LIKELIHOODS = ("bernoulli", "gaussian")
AT_ONCE = 10  # codes of an image, for the importance-weighted bound
ACROSS = 10  # pictures to a side of the plane of codes
BETWEEN = 10  # pictures from one image's code to another's


def vae(
    nets: Autoencoder,
    optimizer: Any,
    *,
    example: Any,
    code: int,
    likelihood: str = "bernoulli",
    beta: Any = 1.0,
    classes: int = 0,
    anew: bool = False,
    importance: int = 0,
    name: str = "",
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """The negative evidence lower bound over batches {"image": (b, h, w, c)}, in nats.

    A code z of `code` numbers is drawn from q(z | x), a Gaussian of the encoder's mean
    and variance, by one draw; a priori it is a standard Gaussian.

    Args:
      nets: the encoder, which gives 2 * code numbers, and the decoder.
      example: one batch of images, for its shape.
      likelihood: "bernoulli" of each pixel, whose logits the decoder gives; "gaussian"
        about what it gives, of one variance for all, which is learned.
      beta: the weight of the divergence from the prior in what is minimised (Higgins et
        al. 2017); it changes no measure.
      classes: the decoder is given which of so many classes it is, after the code; what
        is made is of the classes of the batch, "target_class". 0: it is not.
      anew: pixels are drawn to be 0 or 1 by their grey at every update and test.
      importance: also measures, on test data, the importance-weighted bound of so many
        draws (Burda, Grosse, Salakhutdinov 2016), rounded up to a multiple of 10.
      name: "_NAME" ends the measures' names: what was done to grey pixels. There is
        `nelbo` besides, by which variants are compared that differ in that.
      sample_evaluator: as `Task.sample_evaluator`, of samples "generated" from the
        prior.

    Measures `nelbo`, `kl` and `missed`, in nats an image, of which the first is the sum
    of the others, from one draw a test image; with `importance`, `iw_nll`, and `bound`,
    the first as the mean of so many draws. With "gaussian" `scale`, the standard
    deviation of a pixel.

    Raises:
      ValueError: an unknown likelihood.
    """
    if likelihood not in LIKELIHOODS:
        raise ValueError(f"likelihood {likelihood}: must be one of {LIKELIHOODS}")
    end = f"_{name}" if name else ""

    def init(key):
        first, second = jax.random.split(key)
        encoder, model_state = nets.encode.init(first, example)
        decoder, others = nets.decode.init(second, jnp.zeros((1, code + classes)))
        params = {"encoder": encoder, "decoder": decoder}
        if likelihood == "gaussian":
            params["log_scale"] = jnp.zeros([])
        return {"net": params}, {"encoder": model_state, "decoder": others}

    def images(batch, key):
        x = batch["image"]
        return jax.random.bernoulli(key, x).astype(x.dtype) if anew else x

    def encoded(params, model_state, x, train) -> tuple[Any, Any, Any]:
        """Mean and log variance (b, code) of the codes of images."""
        z, model_state = nets.encode.apply(
            params["net"]["encoder"], model_state["encoder"], x, key=None, train=train
        )
        return *jnp.split(z, 2, -1), model_state

    def decoded(params, model_state, z, label, train) -> tuple[Any, Any]:
        if classes:
            z = jnp.concatenate([z, jax.nn.one_hot(label, classes)], -1)
        return nets.decode.apply(
            params["net"]["decoder"], model_state["decoder"], z, key=None, train=train
        )

    def nats(params, x, y) -> jax.Array:
        """- log p(x | z), (b,), of what the decoder gives."""
        if likelihood == "bernoulli":
            return optax.sigmoid_binary_cross_entropy(y, x).sum((1, 2, 3))
        log_scale = params["net"]["log_scale"]
        each = ((x - y) * jnp.exp(-log_scale)) ** 2 / 2 + log_scale
        return each.sum((1, 2, 3)) + x[0].size * jnp.log(2 * jnp.pi) / 2

    def drawn(mean, log_variance, key):
        noise = jax.random.normal(key, mean.shape)
        return mean + jnp.exp(log_variance / 2) * noise

    def parts(params, model_state, batch, x, key, train):
        """missed and kl, (b,), and model_state."""
        mean, log_variance, encoder = encoded(params, model_state, x, train)
        z = drawn(mean, log_variance, key)
        y, decoder = decoded(params, model_state, z, batch.get("label"), train)
        kl = 0.5 * (mean**2 + jnp.exp(log_variance) - log_variance - 1).sum(-1)
        return nats(params, x, y), kl, {"encoder": encoder, "decoder": decoder}

    def loss(params, model_state, batch, key, step):
        del step
        pixels, noise = jax.random.split(key)
        x = images(batch, pixels)
        missed, kl, model_state = parts(params, model_state, batch, x, noise, True)
        return (missed + beta * kl).mean(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        pixels, noise = jax.random.split(key)
        x = images(batch, pixels)
        missed, kl, _ = parts(params, model_state, batch, x, noise, False)
        weight = batch["weight"]
        found = {"nelbo": missed + kl, "kl": kl, "missed": missed}
        count = weight.sum()
        told = {k + end: ((v * weight).sum(), count) for k, v in found.items()}
        told["nelbo"] = told[f"nelbo{end}"]
        if likelihood == "gaussian":
            scale = jnp.exp(params["net"]["log_scale"])
            told["scale"] = (scale * count, count)
        return told

    def probe(params, model_state, batch, key):
        pixels, noise = jax.random.split(key)
        x = images(batch, pixels)
        mean, log_variance, _ = encoded(params, model_state, x, False)

        def weights(key):
            z = drawn(mean, log_variance, key)
            y, _ = decoded(params, model_state, z, batch.get("label"), False)
            prior = -(z**2) / 2
            own = -((z - mean) ** 2) / 2 * jnp.exp(-log_variance) - log_variance / 2
            return (prior - own).sum(-1) - nats(params, x, y)

        rounds = -(-importance // AT_ONCE)
        keys = jax.random.split(noise, (rounds, AT_ONCE))
        logs = jax.lax.map(jax.vmap(weights), keys).reshape(rounds * AT_ONCE, -1)
        weight, count = batch["weight"], batch["weight"].sum()
        tighter = jax.nn.logsumexp(logs, axis=0) - jnp.log(len(logs))
        return {
            f"iw_nll{end}": (-(tighter * weight).sum(), count),
            f"bound{end}": (-(logs.mean(0) * weight).sum(), count),
        }

    def pictures(params, model_state, z, label):
        y, _ = decoded(params, model_state, z, label, False)
        return jax.nn.sigmoid(y) if likelihood == "bernoulli" else y

    def sample(params, model_state, batch, key):
        pixels, key = jax.random.split(key)
        x = images(batch, pixels)
        mean, _, _ = encoded(params, model_state, x, False)
        share = jnp.linspace(0, 1, BETWEEN)[:, None]
        apart = ((mean - mean[:1]) ** 2).sum(-1)
        walk = (1 - share) * mean[:1] + share * mean[apart.argmax()][None]
        z = jax.random.normal(key, mean.shape)
        # Of the prior's quantiles in the middle of ACROSS equal shares.
        places = jax.scipy.stats.norm.ppf((jnp.arange(ACROSS) + 0.5) / ACROSS)
        sides = jnp.stack([jnp.tile(places, ACROSS), jnp.repeat(places, ACROSS)], 1)
        most = jnp.argsort(-mean.var(0))[:2]  # the numbers that say most
        plane = jnp.zeros((ACROSS**2, code)).at[:, most].set(sides[:, : len(most)])
        label = batch.get("label", jnp.zeros(len(x), jnp.int32))
        found = {
            "binarised": x,
            "reconstructed": pictures(params, model_state, mean, label),
            "interpolated": pictures(
                params, model_state, walk, label[:1].repeat(BETWEEN)
            ),
            "generated": pictures(params, model_state, z, label),
            "code_plane": pictures(
                params, model_state, plane, label[:1].repeat(ACROSS**2)
            ),
            "latent_mean": mean,
        }
        return {**found, "target_class": label} if classes else found

    turns = (Turn("net", loss, optimizer),)
    return Task(
        init, turns, metrics, sample, probe if importance else None, sample_evaluator
    )
