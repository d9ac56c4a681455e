"""Transformers: causality, padding, and what is kept of the past."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax.errors import UserError
from dljax.models.net import with_compute_dtype
from dljax.models.transformer import (
    ARCHITECTURES,
    NORMS,
    POSITIONS,
    extract_patches,
    transformer,
)
from dljax.ops import attention

pytestmark = pytest.mark.usefixtures("compiled_fast")
TOKENS, WIDTH, DEPTH, HEADS, T = 7, 8, 2, 2, 5


def make(architecture="decoder", **options):
    options = {"depth": DEPTH, "heads": HEADS, "max_len": T} | options
    return transformer(architecture, WIDTH, TOKENS, **options)


def tokens(*shape, seed=0):
    return jax.random.randint(jax.random.key(seed), shape, 0, TOKENS)


def drawn(net, example):
    """Parameters away from their small beginnings, so that everything is in play."""
    params, model_state = net.init(jax.random.key(0), example)
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [
        leaf + 0.3 * jax.random.normal(key, leaf.shape)
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(structure, moved), model_state


def given(architecture):
    """What a net of an architecture takes."""
    if architecture == "decoder":
        return tokens(3, T)
    mask = jnp.ones((3, T)).at[1, 3:].set(0)
    decoder_inputs = {"decoder_inputs": tokens(3, T, seed=1)}
    return {"x": tokens(3, T), "mask": mask} | (
        decoder_inputs if architecture == "encoder_decoder" else {}
    )


def options_of(architecture):
    return {} if architecture == "decoder" else {"vocabulary": TOKENS}


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("architecture", ["decoder", "encoder_decoder"])
def test_what_is_kept_of_the_past_changes_nothing(architecture, norm, positions):
    """Token by token, the logits are those of the whole; and so is what is made."""
    net = make(architecture, norm=norm, positions=positions, **options_of(architecture))
    its = given(architecture)
    params, model_state = drawn(net, its)
    begun = its if architecture == "decoder" else its["decoder_inputs"]
    first = begun[:, :1]
    its = first if architecture == "decoder" else its | {"decoder_inputs": first}
    made = jax.jit(net.generate, static_argnames="steps")(
        params, model_state, its, steps=T, key=None
    )["prediction"]
    assert made.shape == (3, T)
    whole = jnp.concatenate([first, made[:, :-1]], 1)
    its = whole if architecture == "decoder" else its | {"decoder_inputs": whole}
    logits, _ = net.apply(params, model_state, its, key=None, train=False)
    np.testing.assert_array_equal(logits.argmax(-1), made)


EACH = [{"norm": "post"}, {"scan": True}, *({"positions": p} for p in POSITIONS)]


@pytest.mark.parametrize("options", EACH)
@pytest.mark.parametrize("architecture", ["decoder", "encoder_decoder"])
def test_logits_from_kept_keys_and_values_are_the_whole_sequences(
    architecture, options
):
    """Under jit, at a position that is traced, in a cache of max_len positions."""
    net = make(architecture, **options_of(architecture), **options)
    its = given(architecture)
    params, model_state = drawn(net, its)
    whole, _ = net.apply(params, model_state, its, key=None, train=False)
    y = its if architecture == "decoder" else its["decoder_inputs"]
    (module,) = net.generate.args
    variables, encoded = {"params": params}, (None, None)
    if architecture == "encoder_decoder":
        encoded = module.apply(variables, its, method="encode")

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
        np.testing.assert_allclose(logits[:, 0], whole[:, t], atol=1e-5)


def test_a_scan_makes_what_is_made_block_by_block():
    plain, x = make(), tokens(3, 1)
    params, model_state = drawn(plain, x)
    made = [
        net.generate(its, model_state, x, steps=T, key=jax.random.key(0))["prediction"]
        for net, its in ((plain, params), (make(scan=True), stacked(params)))
    ]
    np.testing.assert_array_equal(*made)


def test_in_half_precision_it_makes_likely_tokens_too():
    net, x = make(), tokens(3, 1)
    params, model_state = drawn(net, x)
    half = with_compute_dtype(net, "bfloat16")
    made = half.generate(params, model_state, x, steps=T, key=None)["prediction"]
    whole = jnp.concatenate([x, made[:, :-1]], 1)
    logits, _ = half.apply(params, model_state, whole, key=None, train=False)
    said = jnp.take_along_axis(logits, made[..., None], -1)[..., 0]
    assert (said > logits.max(-1) - 0.05 * jnp.abs(logits).max()).all()


def test_what_is_longer_than_it_can_take_goes_on_from_the_last_half():
    net = make()
    x = tokens(3, 2)
    params, model_state = drawn(net, x)
    made = net.generate(params, model_state, x, steps=3 * T, key=None)["prediction"]
    assert made.shape == (3, 3 * T)
    # T + 1 - 2 are made of the first window, then the last T // 2 are gone on from.
    half = jnp.concatenate([x, made], 1)[:, T + 1 - T // 2 : T + 1]
    again = net.generate(params, model_state, half, steps=T - T // 2 + 1, key=None)
    found = made[:, T - 1 : T - 1 + T - T // 2 + 1]
    np.testing.assert_array_equal(again["prediction"], found)


@pytest.mark.parametrize("architecture", ["decoder", "encoder_decoder"])
@pytest.mark.parametrize("options", EACH)
def test_a_decoder_is_causal_by_gradient(monkeypatch, architecture, options):
    """An embedded token has no gradient from the logits of those before it; also where
    attention is computed for some places at a time.
    """
    chunk = 2 if options == EACH[-1] else T
    monkeypatch.setattr(attention, "MIN_CHUNK", chunk)
    net = make(architecture, **options_of(architecture), **options)
    its = given(architecture)
    params, model_state = drawn(net, its)
    begun = its if architecture == "decoder" else its["decoder_inputs"]
    # Each token is one of its own, so that its embedding is no other's.
    own = jnp.arange(T)[None] % TOKENS
    its = own if architecture == "decoder" else {**its, "decoder_inputs": own}
    its = jax.tree.map(lambda array: array[:1], its)
    assert begun.shape[1] == T

    def logits(embedding):
        changed = {**params, "embed_y": {"embedding": embedding}}
        return net.apply(changed, model_state, its, key=None, train=False)[0][0]

    gradient = jax.jacrev(logits)(params["embed_y"]["embedding"])  # (t, k, tokens, w)
    reach = jnp.abs(gradient[:, :, :T]).sum((1, 3)) > 0
    np.testing.assert_array_equal(reach, np.tri(T, dtype=bool))


@pytest.mark.parametrize("architecture", ["encoder", "encoder_decoder"])
def test_padding_changes_nothing(architecture):
    net = make(architecture, **options_of(architecture))
    its = given(architecture)
    params, model_state = drawn(net, its)
    other = its | {"x": jnp.where(its["mask"] > 0, its["x"], TOKENS - 1)}
    a, b = (
        net.apply(params, model_state, x, key=None, train=False)[0]
        for x in (its, other)
    )
    np.testing.assert_array_equal(a, b)
    there = {k: v[1:2, :3] for k, v in its.items() if k != "decoder_inputs"}
    there |= {k: v[1:2] for k, v in its.items() if k == "decoder_inputs"}
    alone, _ = net.apply(params, model_state, there, key=None, train=False)
    np.testing.assert_allclose(alone, a[1:2], atol=1e-5)


def stacked(params):
    """The blocks' arrays as a scan has them: one each, of all blocks."""
    found = {}
    for name, part in params.items():
        if name in ("encoder", "decoder"):
            blocks = [part[f"block_{i}"] for i in range(DEPTH)]
            rest = {k: v for k, v in part.items() if not k.startswith("block_")}
            part = rest | {"blocks": jax.tree.map(lambda *a: jnp.stack(a), *blocks)}
        found[name] = part
    return found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_scan_over_layers_and_computing_again_change_nothing(architecture):
    its = given(architecture)
    plain = make(architecture, **options_of(architecture))
    params, model_state = drawn(plain, its)
    scanned = make(architecture, scan=True, remat=True, **options_of(architecture))

    def loss(params, net):
        y, _ = net.apply(params, model_state, its, key=None, train=True)
        return jnp.square(y).mean()

    a, da = jax.value_and_grad(loss)(params, plain)
    b, db = jax.value_and_grad(loss)(stacked(params), scanned)
    np.testing.assert_allclose(a, b, 1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        stacked(da),
        db,
    )


def test_without_positions_an_encoder_cannot_tell_the_order():
    its = given("encoder")
    for positions in POSITIONS:
        net = make("encoder", vocabulary=TOKENS, positions=positions)
        x = its["x"]
        params, model_state = drawn(net, x)
        a, b = (
            net.apply(params, model_state, x, key=None, train=False)[0]
            for x in (x, x[:, ::-1])
        )
        assert np.allclose(a, b, atol=1e-5) == (positions == "none")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"positions": "wrong"}, "positions wrong: must be one of"),
        ({"architecture": "wrong"}, "architecture wrong: must be one of"),
    ],
)
def test_wrong_options_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        make(**options)


def test_heads_that_do_not_divide_the_width_are_said_in_a_line():
    with pytest.raises(
        UserError, match="heads 3: must divide the width 8 into equal pa"
    ):
        make(heads=3)
    with pytest.raises(
        UserError, match="heads 8: must divide the width 8 into even par"
    ):
        make(heads=8, positions="rotary")
    with pytest.raises(UserError, match="width 7: must be even, with sinusoidal"):
        transformer("decoder", 7, 3, heads=1, max_len=T, positions="sinusoidal")


def test_what_is_longer_than_the_learned_positions_is_refused():
    net, x = make(), tokens(3, T + 1)
    params, model_state = net.init(jax.random.key(0), x[:, :T])
    with pytest.raises(ValueError, match="6 positions: max_len is 5"):
        net.apply(params, model_state, x, key=None, train=False)


def test_patches_are_squares_row_by_row():
    images = jnp.arange(2 * 5 * 6 * 1).reshape(2, 5, 6, 1)
    found = extract_patches(images, 2)
    assert found.shape == (2, 2 * 3, 4)
    np.testing.assert_array_equal(found[0, 1], images[0, :2, 2:4].ravel())
    np.testing.assert_array_equal(found[1, 5], images[1, 2:4, 4:].ravel())
