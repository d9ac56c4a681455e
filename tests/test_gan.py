"""GANs: objectives, the penalty's optimum, norms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax.models.conv_stacks import ConvStack
from dljax.models.gan import critic, generator
from dljax.models.net import net as of_module
from dljax.tasks.gan import gan
from dljax.training.optimizers import sgd
from dljax.types import Net
from experiments.reference import wgan_critic


def task(objective, slope=2.0, shift=0.5):
    """The critic scores slope * x + shift; the generator outputs 1."""

    def scores(params, model_state, x, *, key, train):
        del key, train
        return (params["slope"] * x + params["shift"])[:, 0], model_state

    def ones(params, model_state, z, *, key, train):
        del key, train
        return params["one"] * jnp.ones((len(z), 1)), model_state

    def init(values):
        return lambda key, x: ({k: jnp.float32(v) for k, v in values.items()}, {})

    return gan(
        Net(init({"one": 1.0}), ones),
        Net(init({"slope": slope, "shift": shift}), scores),
        {"generator": sgd(0.0), "critic": sgd(0.0)},
        example=jnp.zeros((1, 1)),
        latent_size=1,
        objective=objective,
        input_key="x",
    )


@pytest.mark.parametrize(
    ("objective", "of_critic", "of_generator"),
    [
        # Scores: 6.5 for real examples (3), 2.5 for generated ones (1).
        (
            "nonsaturating",
            np.log1p(np.exp(-6.5)) + np.log1p(np.exp(2.5)),
            np.log1p(np.exp(-2.5)),
        ),
        ("hinge", 0.0 + 3.5, -2.5),
        ("wasserstein", 2.5 - 6.5 + 10 * (2.0 - 1) ** 2, -2.5),
    ],
)
def test_objectives_by_hand(objective, of_critic, of_generator):
    game = task(objective)
    params, model_state = game.init(jax.random.key(0))
    batch = {"x": jnp.full((4, 1), 3.0)}
    right = {"critic": of_critic, "generator": of_generator}
    for turn in game.turns:
        loss, _ = turn.loss(params, model_state, batch, jax.random.key(1), 0)
        assert float(loss) == pytest.approx(right[turn.name], rel=1e-4)
    with pytest.raises(ValueError, match="least"):
        task("least")


@pytest.mark.parametrize(("distance", "over"), [(1, 1.054), (2, 1.105), (4, 1.203)])
def test_penalized_optimum_exceeds_the_wasserstein_distance(distance, over):
    gap = wgan_critic.best_gap(float(distance))
    assert gap / distance == pytest.approx(over, abs=1e-3)
    free = wgan_critic.best_gap(float(distance), penalty=1e9)
    assert free == pytest.approx(distance, rel=1e-4)  # the Wasserstein distance


def test_spectral_norm_makes_the_largest_singular_value_1():
    net = critic((4,), norm="spectral")
    x = jnp.asarray(np.random.default_rng(0).random((3, 4, 4, 1)), jnp.float32)
    params, model_state = net.init(jax.random.key(0), x)
    params = jax.tree.map(lambda p: 3 * p, params)
    for _ in range(30):  # power iterations, one per training pass
        _, model_state = net.apply(params, model_state, x, key=None, train=True)
    tall = jax.tree.map(lambda p: 7 * p, params)
    biases = jax.tree_util.tree_map_with_path(
        lambda path, p, q: p if "bias" in jax.tree_util.keystr(path) else q,
        params,
        tall,
    )
    a, _ = net.apply(params, model_state, x, key=None, train=True)
    b, _ = net.apply(biases, model_state, x, key=None, train=True)
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_spectral_norm_divides_by_the_largest_singular_value():
    """The kernel is a matrix (inputs, outputs) (Miyato et al. 2018, section 2.1)."""
    net = of_module(ConvStack((4,), 3, norm="spectral", activation=lambda x: x))
    x = np.random.default_rng(0).random((3, 4, 4, 2)).astype(np.float32)
    params, model_state = net.init(jax.random.key(0), x)
    for _ in range(100):
        _, model_state = net.apply(params, model_state, x, key=None, train=True)
    actual, _ = net.apply(params, model_state, x, key=None, train=False)

    def divided(kernel):
        matrix = kernel.reshape(-1, kernel.shape[-1])
        return kernel / np.linalg.svd(matrix, compute_uv=False)[0]

    conv, dense = params["Conv_0"], params["Dense_0"]
    y = jax.lax.conv_general_dilated(
        x,
        divided(conv["kernel"]),
        (2, 2),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    y = (y + conv["bias"].reshape(1, 1, 1, -1)).reshape(3, -1)
    expected = y @ divided(dense["kernel"]) + dense["bias"].reshape(1, -1)
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(8, 8, 1), (7, 5, 3)])
def test_generator_outputs_images_of_the_given_shape(shape):
    net = generator(shape, (8, 4))
    z = jax.random.normal(jax.random.key(1), (3, 5))
    params, model_state = net.init(jax.random.key(0), z)
    x, _ = net.apply(params, model_state, z, key=None, train=True)
    assert x.shape == (3, *shape)
    assert 0 < float(x.min()) < float(x.max()) < 1
