"""Transformers: causality, padding, and the key-value cache."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import in_turn
from user_errors import user_error

from dljax.models.net import with_compute_dtype
from dljax.models.transformer import (
    ARCHITECTURES,
    NORMS,
    POSITIONS,
    extract_patches,
    transformer,
)
from dljax.ops import attention

TOKENS, WIDTH, DEPTH, HEADS, T = 7, 8, 2, 2, 5


def make(architecture="decoder", **options):
    options = {"depth": DEPTH, "heads": HEADS, "max_len": T} | options
    return transformer(architecture, WIDTH, TOKENS, **options)


def tokens(*shape, seed=0):
    return jax.random.randint(jax.random.key(seed), shape, 0, TOKENS)


def initialized(net, example):
    """Larger parameters than the initial ones, so that all parts have an effect."""
    params, model_state = net.init(jax.random.key(0), example)
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [
        leaf + 0.3 * jax.random.normal(key, leaf.shape)
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(structure, moved), model_state


def inputs_of(architecture):
    """Inputs of a net of an architecture."""
    if architecture == "decoder":
        return tokens(3, T)
    mask = jnp.ones((3, T)).at[1, 3:].set(0)
    decoder_inputs = {"decoder_inputs": tokens(3, T, seed=1)}
    return {"x": tokens(3, T), "mask": mask} | (
        decoder_inputs if architecture == "encoder_decoder" else {}
    )


def options_of(architecture):
    return {} if architecture == "decoder" else {"vocabulary": TOKENS}


@in_turn(architecture=["decoder", "encoder_decoder"], norm=NORMS, positions=POSITIONS)
def test_cached_decoding_equals_the_full_sequence(architecture, norm, positions):
    """Token by token, logits and generated tokens equal those of the full sequence."""
    net = make(architecture, norm=norm, positions=positions, **options_of(architecture))
    inputs = inputs_of(architecture)
    params, model_state = initialized(net, inputs)
    prompt = inputs if architecture == "decoder" else inputs["decoder_inputs"]
    first = prompt[:, :1]
    inputs = first if architecture == "decoder" else inputs | {"decoder_inputs": first}
    generated = jax.jit(net.generate, static_argnames="steps")(
        params, model_state, inputs, steps=T, key=None
    )["prediction"]
    assert generated.shape == (3, T)
    full = jnp.concatenate([first, generated[:, :-1]], 1)
    inputs = full if architecture == "decoder" else inputs | {"decoder_inputs": full}
    logits, _ = net.apply(params, model_state, inputs, key=None, train=False)
    np.testing.assert_array_equal(logits.argmax(-1), generated)


EACH = [{"norm": "post"}, {"scan": True}, *({"positions": p} for p in POSITIONS)]


@in_turn(architecture=["decoder", "encoder_decoder"], options=EACH)
def test_cached_logits_equal_those_of_the_full_sequence(architecture, options):
    """Under jit, at a traced position, with a cache of max_len positions."""
    net = make(architecture, **options_of(architecture), **options)
    inputs = inputs_of(architecture)
    params, model_state = initialized(net, inputs)
    full, _ = net.apply(params, model_state, inputs, key=None, train=False)
    y = inputs if architecture == "decoder" else inputs["decoder_inputs"]
    (module,) = net.generate.args
    variables, encoded = {"params": params}, (None, None)
    if architecture == "encoder_decoder":
        encoded = module.apply(variables, inputs, method="encode")

    @jax.jit
    def decode(y, kv_cache, position):
        inputs = (y, *encoded, kv_cache, position)
        return module.apply(variables, *inputs, method="decode")

    _, kv_cache = decode(y[:, :2], None, 0)
    room = [(0, 0), (0, T - 2), (0, 0)]  # of positions; `scan` adds an axis of blocks
    kv_cache = jax.tree.map(
        lambda array: jnp.pad(array, [(0, 0)] * (array.ndim - 3) + room), kv_cache
    )
    for t in range(2, T):
        logits, kv_cache = decode(y[:, t : t + 1], kv_cache, jnp.int32(t))
        np.testing.assert_allclose(logits[:, 0], full[:, t], atol=1e-5)


def test_generation_with_scan_equals_without():
    plain, x = make(), tokens(3, 1)
    params, model_state = initialized(plain, x)
    generated = [
        net.generate(tree, model_state, x, steps=T, key=jax.random.key(0))["prediction"]
        for net, tree in ((plain, params), (make(scan=True), stacked(params)))
    ]
    np.testing.assert_array_equal(*generated)


def test_generation_in_half_precision_takes_likely_tokens():
    net, x = make(), tokens(3, 1)
    params, model_state = initialized(net, x)
    half = with_compute_dtype(net, "bfloat16")
    generated = half.generate(params, model_state, x, steps=T, key=None)["prediction"]
    full = jnp.concatenate([x, generated[:, :-1]], 1)
    logits, _ = half.apply(params, model_state, full, key=None, train=False)
    message = jnp.take_along_axis(logits, generated[..., None], -1)[..., 0]
    assert (message > logits.max(-1) - 0.05 * jnp.abs(logits).max()).all()


def test_generation_beyond_max_len_restarts_from_the_last_half():
    net = make()
    x = tokens(3, 2)
    params, model_state = initialized(net, x)
    samples = net.generate(params, model_state, x, steps=3 * T, key=None)
    generated = samples["prediction"]
    assert generated.shape == (3, 3 * T)
    # The first window gives T + 1 - 2 tokens; then the last T // 2 are continued.
    half = jnp.concatenate([x, generated], 1)[:, T + 1 - T // 2 : T + 1]
    again = net.generate(params, model_state, half, steps=T - T // 2 + 1, key=None)
    actual = generated[:, T - 1 : T - 1 + T - T // 2 + 1]
    np.testing.assert_array_equal(again["prediction"], actual)


@in_turn(architecture=["decoder", "encoder_decoder"], options=EACH)
def test_decoder_is_causal_by_gradient(monkeypatch, architecture, options):
    """Logits have no gradient by later tokens, also with attention in chunks."""
    chunk = 2 if options == EACH[-1] else T
    monkeypatch.setattr(attention, "MIN_CHUNK", chunk)
    net = make(architecture, **options_of(architecture), **options)
    inputs = inputs_of(architecture)
    params, model_state = initialized(net, inputs)
    prompt = inputs if architecture == "decoder" else inputs["decoder_inputs"]
    # All tokens differ, so that each position has its own embedding.
    distinct = jnp.arange(T)[None] % TOKENS
    is_decoder = architecture == "decoder"
    inputs = distinct if is_decoder else {**inputs, "decoder_inputs": distinct}
    inputs = jax.tree.map(lambda array: array[:1], inputs)
    assert prompt.shape[1] == T

    def logits(embedding):
        changed = {**params, "embed_y": {"embedding": embedding}}
        return net.apply(changed, model_state, inputs, key=None, train=False)[0][0]

    gradient = jax.jacrev(logits)(params["embed_y"]["embedding"])  # (t, k, tokens, w)
    reach = jnp.abs(gradient[:, :, :T]).sum((1, 3)) > 0
    np.testing.assert_array_equal(reach, np.tri(T, dtype=bool))


@pytest.mark.parametrize("architecture", ["encoder", "encoder_decoder"])
def test_padding_changes_nothing(architecture):
    net = make(architecture, **options_of(architecture))
    inputs = inputs_of(architecture)
    params, model_state = initialized(net, inputs)
    other = inputs | {"x": jnp.where(inputs["mask"] > 0, inputs["x"], TOKENS - 1)}
    a, b = (
        net.apply(params, model_state, x, key=None, train=False)[0]
        for x in (inputs, other)
    )
    np.testing.assert_array_equal(a, b)
    unpadded = {k: v[1:2, :3] for k, v in inputs.items() if k != "decoder_inputs"}
    unpadded |= {k: v[1:2] for k, v in inputs.items() if k == "decoder_inputs"}
    alone, _ = net.apply(params, model_state, unpadded, key=None, train=False)
    np.testing.assert_allclose(alone, a[1:2], atol=1e-5)


def stacked(params):
    """Params with the arrays of all blocks stacked, as for `scan`."""
    actual = {}
    for name, part in params.items():
        if name in ("encoder", "decoder"):
            blocks = [part[f"block_{i}"] for i in range(DEPTH)]
            rest = {k: v for k, v in part.items() if not k.startswith("block_")}
            part = rest | {"blocks": jax.tree.map(lambda *a: jnp.stack(a), *blocks)}
        actual[name] = part
    return actual


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scan_and_remat_change_nothing(architecture):
    inputs = inputs_of(architecture)
    plain = make(architecture, **options_of(architecture))
    params, model_state = initialized(plain, inputs)
    scanned = make(architecture, scan=True, remat=True, **options_of(architecture))

    def loss(params, net):
        y, _ = net.apply(params, model_state, inputs, key=None, train=True)
        return jnp.square(y).mean()

    a, da = jax.value_and_grad(loss)(params, plain)
    b, db = jax.value_and_grad(loss)(stacked(params), scanned)
    np.testing.assert_allclose(a, b, 1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        stacked(da),
        db,
    )


def test_encoder_without_positions_ignores_the_order():
    inputs = inputs_of("encoder")
    for positions in POSITIONS:
        net = make("encoder", vocabulary=TOKENS, positions=positions)
        x = inputs["x"]
        params, model_state = initialized(net, x)
        a, b = (
            net.apply(params, model_state, x, key=None, train=False)[0]
            for x in (x, x[:, ::-1])
        )
        assert np.allclose(a, b, atol=1e-5) == (positions == "none")


@pytest.mark.parametrize("option", ["positions", "architecture"])
def test_wrong_options_are_refused(option):
    with pytest.raises(ValueError, match=f"{option} wrong"):
        make(**{option: "wrong"})


def test_heads_that_do_not_divide_the_width_are_refused():
    with user_error("width-not-divisible", "--heads=3", "width 8"):
        make(heads=3)
    with user_error("width-not-divisible", "--heads=8", "width 8"):
        make(heads=8, positions="rotary")
    with user_error("width-not-divisible", "--width=7", "sinusoidal"):
        transformer("decoder", 7, 3, heads=1, max_len=T, positions="sinusoidal")


def test_sequence_longer_than_the_learned_positions_is_refused():
    net, x = make(), tokens(3, T + 1)
    params, model_state = net.init(jax.random.key(0), x[:, :T])
    with pytest.raises(ValueError, match=r"6 positions.*max_len 5"):
        net.apply(params, model_state, x, key=None, train=False)


def test_patches_are_squares_row_by_row():
    images = jnp.arange(2 * 5 * 6 * 1).reshape(2, 5, 6, 1)
    actual = extract_patches(images, 2)
    assert actual.shape == (2, 2 * 3, 4)
    np.testing.assert_array_equal(actual[0, 1], images[0, :2, 2:4].ravel())
    np.testing.assert_array_equal(actual[1, 5], images[1, 2:4, 4:].ravel())
