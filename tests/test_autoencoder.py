"""Autoencoders: PCA of the training images, VAE bounds, binarization."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import table, vae

from dljax.models.autoencoder import autoencoder
from dljax.rendering import CodePlane, Images, of_kind
from dljax.reporting import sample_figures
from dljax.sources.image_rendering import show_images
from dljax.sources.transforms import binarize
from dljax.tasks.reconstruction import principal_components, reconstruction
from dljax.tasks.vae import vae as of_vae
from dljax.training import programs
from dljax.training.optimizers import adamw
from experiments.reference import linear_vae


def images(n=140, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((n, 3, 4, 1)).astype(np.float32)


def test_pca_is_fitted_to_the_training_images():
    x = images()
    source = table({"image": x})
    nets = autoencoder("linear", (3, 4, 1), 2)
    task = reconstruction(
        nets, adamw(0.01), example=jnp.zeros((1, 3, 4, 1)), pca_components=2
    )
    program = programs.make_program(task, source, (0,), strategy="map", batch_size=16)
    state = program.init()  # 96 training images, six updates per epoch
    state, _ = program.train_steps(state, program.shuffle(state, 0), 0, 6)
    moments = jax.tree.map(
        lambda leaf: leaf[0], program.to_host(state).model_state["moments"]
    )
    mean, basis = principal_components(moments, 2)
    train_images = x[:96].reshape(96, -1)
    np.testing.assert_allclose(mean, train_images.mean(0), rtol=1e-4)
    _, _, rows = np.linalg.svd(train_images - train_images.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(rows[:2] @ basis), np.eye(2), atol=1e-3)
    metrics = program.evaluate(state, "test", final_metrics=True)
    rest = x[116:].reshape(-1, 12) - train_images.mean(0)
    residual = ((rest - rest @ rows[:2].T @ rows[:2]) ** 2).mean()
    total, count = metrics["pca_mse"]
    assert float(total[0] / count[0]) == pytest.approx(residual, rel=1e-3)
    assert float(metrics["beyond_pca"][0][0]) > 0


def test_importance_weighted_bound_is_tighter():
    f = vae()
    program = programs.make_program(
        f.task, f.source, (0,), strategy="map", batch_size=16
    )
    metrics = program.evaluate(program.init(), "test", final_metrics=True)
    bound, tighter = (
        float(metrics[k][0][0] / metrics[k][1][0]) for k in ("nelbo", "iw_nll")
    )
    assert tighter < bound


def linear_vae_of(x, **options):
    """A linear VAE with 2 latents, random parameters, and a batch of images x."""
    nets = autoencoder("linear", x.shape[1:], 2, codes=2)
    task = of_vae(nets, adamw(0.01), example=x[:1], latent_size=2, **options)
    params, stats = task.init(jax.random.key(0))
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [
        leaf + 0.2 * jax.random.normal(key, leaf.shape)
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    params = jax.tree.unflatten(structure, moved)
    batch = {"image": jnp.asarray(x), "weight": jnp.ones(len(x))}
    return task, params, stats, batch


def test_the_importance_weighted_bound_converges_to_the_likelihood():
    """With a linear decoder images are Gaussian, with covariance W W' + s^2 I."""
    from scipy import stats as of

    x = images(20)
    options = {"likelihood": "gaussian", "importance_samples": 5000}
    options |= {"metric_suffix": "grey"}
    task, params, stats, batch = linear_vae_of(x, **options)
    metrics = jax.jit(task.final_metrics)(params, stats, batch, jax.random.key(2))
    bound, tighter = (float(metrics[k][0]) / 20 for k in ("bound_grey", "iw_nll_grey"))
    decoder = params["net"]["decoder"]["Mlp_0"]["Dense_0"]
    weights, scale = decoder["kernel"], jnp.exp(params["net"]["log_scale"])
    covariance = weights.T @ weights + scale**2 * jnp.eye(12)
    exact = of.multivariate_normal(decoder["bias"], covariance)
    expected = -exact.logpdf(x.reshape(20, -1)).mean()
    assert tighter == pytest.approx(expected, abs=0.02)
    assert bound > expected + 0.2  # the encoder is not the true posterior


def test_dynamic_binarization_samples_pixels_by_their_grey_value():
    x = np.full((400, 3, 4, 1), 0.3, np.float32)
    task, params, stats, batch = linear_vae_of(x, dynamic_binarization=True)
    draw = jax.jit(task.sample)
    first, second = (
        np.asarray(draw(params, stats, batch, jax.random.key(k))["binarised"])
        for k in (0, 1)
    )
    assert set(np.unique(first)) == {0, 1}
    assert (first != second).any()
    assert first.mean() == pytest.approx(0.3, abs=0.03)
    a, b = (
        task.turns[0].loss(params, stats, batch, jax.random.key(k), 0)[0]
        for k in (0, 1)
    )
    assert a != b


def test_code_plane_is_one_image():
    x = images(4)
    task, params, stats, batch = linear_vae_of(x)
    samples = task.sample(params, stats, batch, jax.random.key(0))
    source = show_images(
        table({"image": x, "label": np.zeros(4, np.int32)}), code_plane=True
    )
    (plane,) = of_kind(source.render({"image": x, **samples}), CodePlane)
    assert plane.pixels.shape == (10, 10, 3, 4, 1)
    picture = sample_figures.tile(plane.pixels)
    assert picture.shape == (40, 50, 1)
    assert (picture[3::4] == sample_figures.GAP).all()
    # Row 3, column 5 are the prior's quantiles 0.25 and 0.45; the latent of largest
    # variance varies over columns.
    z = jax.scipy.stats.norm.ppf(jnp.array([0.45, 0.25]))
    z = z[jnp.argsort(jnp.argsort(-samples["latent_mean"].var(0)))][None]
    decoder = params["net"]["decoder"]["Mlp_0"]["Dense_0"]
    expected = jax.nn.sigmoid(z @ decoder["kernel"] + decoder["bias"][None])
    image = plane.pixels[2, 4].reshape(1, -1)
    np.testing.assert_array_equal(picture[8:11, 20:24].reshape(1, -1), image)
    np.testing.assert_allclose(image, expected, atol=1e-5)


def test_ppca_is_the_maximum_likelihood_model():
    from scipy import stats

    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 2)) @ rng.normal(size=(2, 5)) + 0.3 * rng.normal(size=5)
    x += 0.2 * rng.normal(size=x.shape)
    covariance = linear_vae.ppca(np.cov(x, rowvar=False, bias=True), 2)
    model = stats.multivariate_normal(x.mean(0), covariance)
    best = model.logpdf(x).mean()
    for scale in (0.98, 1.02):  # any other scale is less likely
        other = stats.multivariate_normal(x.mean(0), scale * covariance)
        assert other.logpdf(x).mean() < best
    values = np.linalg.eigvalsh(covariance)
    np.testing.assert_allclose(values[:3], values[0])


def test_binarizations_of_grey_pixels():
    x = images()
    source = table({"image": x, "label": np.zeros(140, np.int32)})
    rows = jnp.arange(140)

    def binarized(binarization, **options):
        changed = binarize(source, binarization, **options)
        return np.asarray(changed.gather(changed.arrays, rows)["image"])

    np.testing.assert_array_equal(binarized("none"), x)
    np.testing.assert_array_equal(binarized("dynamic"), x)
    np.testing.assert_array_equal(binarized("threshold"), x >= 0.5)
    static = binarized("static")
    np.testing.assert_array_equal(static, binarized("static"))
    assert (static != binarized("static", seed=1)).any()
    assert set(np.unique(static)) == {0, 1}
    dark = static[(x > 0.25) & (x < 0.35)]
    assert 0.2 < dark.mean() < 0.4
    with pytest.raises(ValueError, match="twice"):
        binarized("twice")


def test_the_report_shows_the_nearest_real_image():
    x = images()
    source = show_images(
        table({"image": x, "label": np.zeros(140, np.int32)}), "generated"
    )
    renderings = source.render({"image": x[:2], "generated": x[[7, 9]] + 0.01})
    (nearest,) = (r for r in of_kind(renderings, Images) if r.role == "nearest")
    np.testing.assert_array_equal(nearest.pixels, x[[7, 9]])
