"""Recurrent decoders: generation equals teacher forcing, step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import in_turn

from dljax.models.recurrent import GENERATIVE, recurrent

B, S, T, H, V, W = 3, 5, 4, 6, 7, 8  # W: output tokens
OPTIONS = {"vocabulary": V, "embedding": 4, "layers": 2, "bidirectional": True}


def sentences(steps=S):
    x = jax.random.randint(jax.random.key(1), (B, steps), 1, V)
    decoder_inputs = jax.random.randint(jax.random.key(2), (B, T), 1, W)
    return {"x": x, "mask": jnp.ones((B, steps)), "decoder_inputs": decoder_inputs}


def values():
    rolls = jax.random.bernoulli(jax.random.key(2), 0.5, (B, T, W)).astype(jnp.float32)
    return {"x": jax.random.normal(jax.random.key(1), (B, 2)), "decoder_inputs": rolls}


def built(architecture, cell="lstm", **options):
    inputs = values() if architecture == "one_to_many" else sentences()
    options = {} if architecture == "one_to_many" else OPTIONS | options
    net = recurrent(architecture, cell, H, W, **options)
    params, model_state = net.init(jax.random.key(0), inputs)
    params = jax.tree.map(lambda p: 4 * p, params)  # so that outputs differ
    return net, params, inputs


def logits_of(net, params, inputs):
    return net.apply(params, {}, inputs, key=None, train=False)[0]


@in_turn(architecture=GENERATIVE, cell=["rnn", "gru", "lstm"])
def test_greedy_generation_takes_the_likeliest_token_given_the_generated_ones(
    architecture, cell
):
    net, params, inputs = built(architecture, cell)
    actual = net.generate(params, {}, inputs, steps=T, key=None)
    generated = actual["prediction"]
    assert generated.shape == ((B, T, W) if architecture == "one_to_many" else (B, T))
    first = inputs["decoder_inputs"][:, :1]
    decoder_inputs = jnp.concatenate([first, generated[:, :-1]], 1)
    y = logits_of(net, params, inputs | {"decoder_inputs": decoder_inputs})
    likeliest = y > 0 if architecture == "one_to_many" else jnp.argmax(y, -1)
    np.testing.assert_array_equal(generated, likeliest)
    assert len(np.unique(generated)) > 1


@pytest.mark.parametrize("architecture", GENERATIVE)
def test_decoder_is_causal_by_gradient(architecture):
    net, params, inputs = built(architecture)
    if architecture == "one_to_many":

        def at(decoder_inputs):
            changed = inputs | {"decoder_inputs": decoder_inputs}
            return logits_of(net, params, changed)[:, 1].sum()

        grad = jax.grad(at)(inputs["decoder_inputs"])
        assert (grad[:, 2:] == 0).all()
        assert (grad[:, :2] != 0).any(-1).all()
        return
    # All tokens differ, so that each position has its own embedding.
    first = jax.tree.map(lambda array: array[:1], inputs)
    first |= {"decoder_inputs": jnp.arange(T)[None]}

    def logits(embedding):
        changed = {**params, "embed_y": {"embedding": embedding}}
        return logits_of(net, changed, first)[0]

    gradient = jax.jacrev(logits)(params["embed_y"]["embedding"])  # (t, k, tokens, w)
    reach = jnp.abs(gradient[:, :, :T]).sum((1, 3)) > 0
    np.testing.assert_array_equal(reach, np.tri(T, dtype=bool))


@pytest.mark.parametrize("architecture", ["encoder_decoder", "attention"])
def test_padding_changes_nothing(architecture):
    net, params, inputs = built(architecture)
    pad = {name: jnp.pad(inputs[name], ((0, 0), (0, 3))) for name in ("x", "mask")}
    a, b = (logits_of(net, params, g) for g in (inputs, inputs | pad))
    np.testing.assert_allclose(a, b, atol=1e-6)


def test_attention_sums_to_one_and_ignores_padding():
    net, params, inputs = built("attention")
    inputs["mask"] = inputs["mask"].at[:, 3:].set(0)
    weights = net.generate(params, {}, inputs, steps=T, key=None)["attention"]
    assert weights.shape == (B, T, S)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert (weights[..., 3:] == 0).all()


def test_attention_equals_luong_by_hand():
    net, params, inputs = built("attention", layers=1)
    del net
    rng = np.random.default_rng(0)
    y, encoded = rng.normal(size=(T, H)), rng.normal(size=(S, 2 * H))
    query, out = params["attention_query"]["kernel"], params["attention_out"]
    scores = (y @ query) @ encoded.T
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    context = np.concatenate([weights @ encoded, y], -1)
    expected = np.tanh(context @ out["kernel"] + out["bias"][None])

    from dljax.models.recurrent import CELLS
    from dljax.models.seq2seq import Seq2Seq

    module = Seq2Seq(
        cell=CELLS["lstm"],
        hidden=H,
        outputs=W,
        encoder=True,
        attention=True,
        layers=1,
        bidirectional=True,
        vocabulary=V,
        embedding=4,
        dropout=0.0,
        orthogonal=False,
        forget_bias=1.0,
    )
    actual, where = module.apply(
        {"params": params}, y[None], encoded[None], None, method="_attention"
    )
    np.testing.assert_allclose(actual[0], expected, atol=1e-5)
    np.testing.assert_allclose(where[0], weights, atol=1e-5)


def test_samples_depend_on_the_key():
    net, params, inputs = built("one_to_many")
    a, b, c = (
        net.generate(params, {}, inputs, steps=50, key=jax.random.key(k))["prediction"]
        for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()
    assert set(np.unique(a)) == {0, 1}


def test_reversal_is_learned_through_the_encoder():
    """Without the source no token could be predicted."""
    import optax

    net = recurrent("attention", "gru", 32, V, vocabulary=V, embedding=16)
    draw = jax.jit(lambda key: jax.random.randint(key, (64, S), 1, V))
    x = draw(jax.random.key(9))
    batch = {"x": x, "mask": jnp.ones(x.shape), "decoder_inputs": jnp.zeros_like(x)}
    params, _ = net.init(jax.random.key(0), batch)
    optimizer = optax.adam(1e-2)
    opt = optimizer.init(params)

    def inputs(x):
        y = x[:, ::-1]
        decoder_inputs = jnp.concatenate([jnp.zeros_like(y[:, :1]), y[:, :-1]], 1)
        return {"x": x, "mask": jnp.ones(x.shape), "decoder_inputs": decoder_inputs}, y

    @jax.jit
    def step(params, opt, key):
        now, y = inputs(draw(key))

        def loss(params):
            z = logits_of(net, params, now)
            return optax.softmax_cross_entropy_with_integer_labels(z, y).mean()

        updates, opt = optimizer.update(jax.grad(loss)(params), opt)
        return optax.apply_updates(params, updates), opt

    for i in range(300):
        params, opt = step(params, opt, jax.random.key(i))
    now, y = inputs(draw(jax.random.key(10_000)))
    generated = net.generate(params, {}, now, steps=S, key=None)["prediction"]
    assert (generated == y).mean() > 0.95
