"""Recurrent cells against PyTorch and against loops by hand; nets of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import in_turn

from dljax.models.cell import RecurrentLayer, record_cells, unroll
from dljax.models.recurrent import ARCHITECTURES, CELLS, GENERATIVE, recurrent

NAMES = ("rnn", "gru", "lstm")
CELL = pytest.mark.parametrize("name", NAMES)
T, B, F, H = 6, 3, 2, 4


@CELL
def test_cell_equals_pytorch(golden, name):
    array = {
        key.removeprefix(f"{name}_"): value
        for key, value in golden.items()
        if key.startswith(f"{name}_")
    }
    weights = {key: array[key] for key in ("input_kernel", "recurrent_kernel", "bias")}
    if CELLS[name].recurrent_bias:
        weights["recurrent_bias"] = array["recurrent_bias"]
    else:
        weights["bias"] = weights["bias"] + array["recurrent_bias"]
    begin = tuple(array[f"begin_{i}"][0] for i in range(CELLS[name].num_states))
    with jax.enable_x64(True):
        y, back = jax.vjp(
            lambda *a: unroll(CELLS[name], *a)[0], weights, array["x"], begin
        )
        d_weights, d_x, d_begin = back(jnp.asarray(array["g"]))
    np.testing.assert_allclose(y, array["y"], atol=1e-5)
    np.testing.assert_allclose(d_x, array["d_x"], atol=1e-5)
    for key, value in d_weights.items():
        np.testing.assert_allclose(value, array[f"d_{key}"], atol=1e-5, err_msg=key)
    for i, value in enumerate(d_begin):
        np.testing.assert_allclose(value, array[f"d_begin_{i}"][0], atol=1e-5)


def layer_of(name, *, seed=0, **options):
    """A layer, its weights, and an input (t, b, features)."""
    layer = RecurrentLayer(CELLS[name], H, **options)
    x = np.random.default_rng(seed).normal(size=(T, B, F)).astype(np.float32)
    params = layer.init(jax.random.key(seed), x)["params"]
    return layer, jax.tree.map(np.asarray, params), x


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def by_hand(name, w, x):
    """The outputs of a layer, in NumPy."""
    h = c = np.zeros((x.shape[1], H))
    outputs = []
    for now in x:
        z, u = now @ w["input_kernel"] + w["bias"], h @ w["recurrent_kernel"]
        if name == "rnn":
            h = np.tanh(z + u)
        elif name == "gru":
            z, u = np.split(z, 3, -1), np.split(u + w["recurrent_bias"], 3, -1)
            reset, update = sigmoid(z[0] + u[0]), sigmoid(z[1] + u[1])
            h = update * h + (1 - update) * np.tanh(z[2] + reset * u[2])
        else:
            write, keep, new, show = np.split(z + u, 4, -1)
            c = sigmoid(keep) * c + sigmoid(write) * np.tanh(new)
            h = sigmoid(show) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


@CELL
def test_layer_equals_numpy_loop(name):
    layer, params, x = layer_of(name)
    outputs, memory = layer.apply({"params": params}, x)
    np.testing.assert_allclose(outputs, by_hand(name, params, x), atol=1e-5)
    np.testing.assert_array_equal(outputs[-1], memory[0])


@CELL
def test_reverse_equals_loop_over_reversed_input(name):
    layer, params, x = layer_of(name, reverse=True)
    outputs, memory = layer.apply({"params": params}, x)
    expected = by_hand(name, params, x[::-1])[::-1]
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    np.testing.assert_array_equal(outputs[0], memory[0])


def test_trace_has_every_gate_and_state():
    layer, params, x = layer_of("lstm", trace=True)
    outputs, memory, trace = layer.apply({"params": params}, x)
    gates = ("input_gate", "forget_gate", "output_gate")
    assert set(trace) == {*gates, "candidate", "cell", "output"}
    assert all(trace[name].shape == (T, B, H) for name in trace)
    assert all((trace[g] > 0).all() and (trace[g] < 1).all() for g in gates)
    previous = jnp.concatenate([jnp.zeros((1, B, H)), trace["cell"][:-1]])
    written = trace["input_gate"] * trace["candidate"]
    cell_state = trace["forget_gate"] * previous + written
    np.testing.assert_allclose(trace["cell"], cell_state, atol=1e-6)
    shown = trace["output_gate"] * jnp.tanh(trace["cell"])
    np.testing.assert_allclose(outputs, shown, atol=1e-6)
    np.testing.assert_array_equal(trace["output"], outputs)
    np.testing.assert_array_equal(trace["cell"][-1], memory[1])


@CELL
def test_only_projections_and_carry_are_saved_for_the_gradient(name):
    layer, params, x = layer_of(name)
    _, back = jax.vjp(lambda params: layer.apply({"params": params}, x)[0], params)
    cell_state = [leaf for leaf in jax.tree.leaves(back) if leaf.ndim == 3]
    widths = sorted(leaf.shape[-1] for leaf in cell_state)
    cell = layer.cell
    needed = [x.shape[-1], cell.num_gates * H, *[H] * cell.num_states]
    assert widths == sorted(needed)


def test_one_feature_equals_two_with_zeros():
    """Its product is computed with a second feature of zeros."""
    layer, params, x = layer_of("lstm")
    narrow = {**params, "input_kernel": params["input_kernel"][:1]}
    two = {**params, "input_kernel": params["input_kernel"][:2]}
    x = x[..., :1]

    def loss(params, x):
        return jnp.square(layer.apply({"params": params}, x)[0]).sum()

    y, back = jax.value_and_grad(loss, (0, 1))(narrow, x)
    more, wide = jax.value_and_grad(loss, (0, 1))(
        two, jnp.pad(x, [(0, 0)] * 2 + [(0, 1)])
    )
    np.testing.assert_allclose(y, more, 1e-6)
    np.testing.assert_allclose(back[1], wide[1][..., :1], 1e-5)
    assert jax.tree.map(jnp.shape, back[0]) == jax.tree.map(jnp.shape, narrow)
    for name in narrow:
        np.testing.assert_allclose(
            back[0][name], wide[0][name][: len(narrow[name])], 1e-5
        )


@in_turn(reset=[1, 2, 4], name=NAMES)
def test_reset_every_equals_separate_sequences(name, reset):
    layer, params, x = layer_of(name, reset_every=reset)
    outputs, _ = layer.apply({"params": params}, x)
    parts = [by_hand(name, params, x[i : i + reset]) for i in range(0, T, reset)]
    np.testing.assert_allclose(outputs, np.concatenate(parts), atol=1e-5)


@CELL
def test_reset_counts_from_the_first_step_and_not_from_padding(name):
    layer, params, x = layer_of(name, reset_every=3)
    outputs, last = layer.apply({"params": params}, x[:2])
    mask = jnp.arange(T)[:, None] < jnp.full((1, x.shape[1]), 2)
    padded, same = layer.apply({"params": params}, x, mask_TB=mask)
    np.testing.assert_array_equal(padded[:2], outputs)
    jax.tree.map(np.testing.assert_array_equal, same, last)
    back, params, x = layer_of(name, reset_every=3, reverse=True)
    outputs, _ = back.apply({"params": params}, x)
    forward, _ = layer.apply({"params": params}, x[::-1])
    np.testing.assert_allclose(outputs[::-1], forward, atol=1e-6)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("input_gate", {"input_gate": 1.0}),
        ("forget_gate", {"forget_gate": 1.0}),
        ("output_gate", {"output_gate": 1.0}),
        ("coupled", {}),
        ("input_activation", {}),
        ("output_activation", {}),
    ],
)
def test_ablated_cell_lacks_only_its_part(part, expected):
    layer, params, x = layer_of("lstm", trace=True)
    outputs, _, complete = layer.apply({"params": params}, x[:1])
    other = RecurrentLayer(CELLS[f"lstm_{part}"], H, trace=True)
    changed, _, ablated = other.apply({"params": params}, x[:1])
    for name, value in expected.items():
        np.testing.assert_array_equal(ablated[name], value)
    written = ablated["input_gate"] * ablated["candidate"]
    np.testing.assert_allclose(ablated["cell"], written, atol=1e-6)
    if part == "coupled":
        gates = ablated["forget_gate"] + ablated["input_gate"]
        np.testing.assert_allclose(gates, 1, 1e-6)
    if part == "input_activation":
        candidate = jnp.tanh(ablated["candidate"])
        np.testing.assert_allclose(candidate, complete["candidate"])
    shown = ablated["cell"]
    shown = shown if part == "output_activation" else jnp.tanh(shown)
    np.testing.assert_allclose(changed, ablated["output_gate"] * shown, atol=1e-6)
    same = {"input_gate", "output_gate"} - {part}
    for name in same:
        np.testing.assert_array_equal(ablated[name], complete[name])
    assert part in ("forget_gate", "coupled") or (changed != outputs).any()


def test_initial_weights_are_orthogonal_and_biases_set():
    _, params, _ = layer_of("lstm", orthogonal=True, forget_bias=2.0)
    for part in np.split(params["recurrent_kernel"], 4, -1):
        np.testing.assert_allclose(part.T @ part, np.eye(H), atol=1e-5)
    np.testing.assert_array_equal(params["bias"].reshape(4, H)[:, 0], [0, 2, 0, 0])
    _, params, _ = layer_of("rnn")
    assert np.abs(params["recurrent_kernel"]).max() <= H**-0.5
    assert (params["bias"] == 0).all()


def built(architecture, cell, **options):
    net = recurrent(architecture, cell, H, 5, **options)
    shape = (B, F) if architecture == "one_to_one" else (B, T, F)
    x = jax.random.normal(jax.random.key(1), shape)
    return net, *net.init(jax.random.key(0), x), x


@in_turn(architecture=sorted({*ARCHITECTURES} - {*GENERATIVE}), name=NAMES)
def test_output_has_the_shape_of_its_architecture(architecture, name):
    net, params, model_state, x = built(architecture, name, layers=2)
    y, _ = net.apply(params, model_state, x, key=None, train=False)
    assert y.shape == ((B, T, 5) if architecture == "many_to_many" else (B, 5))


def test_one_to_one_equals_many_to_one_of_one_step():
    net, params, model_state, x = built("one_to_one", "lstm")
    many = recurrent("many_to_one", "lstm", H, 5)
    a, _ = net.apply(params, model_state, x, key=None, train=False)
    b, _ = many.apply(params, model_state, x[:, None], key=None, train=False)
    np.testing.assert_array_equal(a, b)


@in_turn(architecture=["many_to_one", "many_to_many"], name=NAMES)
def test_padding_changes_nothing(architecture, name):
    options = {"layers": 2, "bidirectional": True}
    net, params, model_state, x = built(architecture, name, **options)
    padded = jnp.pad(x, ((0, 0), (0, 3), (0, 0)), constant_values=9.0)
    mask = jnp.tile(jnp.arange(T + 3) < T, (B, 1))
    y, _ = net.apply(params, model_state, x, key=None, train=False)
    inputs = {"x": padded, "mask": mask}
    z, _ = net.apply(params, model_state, inputs, key=None, train=False)
    np.testing.assert_allclose(z if z.ndim == 2 else z[:, :T], y, atol=1e-6)
    grad = jax.grad(
        lambda x: net.apply(
            params, model_state, {"x": x, "mask": mask}, key=None, train=False
        )[0][:, :T].sum()
    )(padded)
    assert (grad[:, T:] == 0).all()
    assert (grad[:, :T] != 0).any()


@in_turn(bidirectional=[False, True], name=NAMES)
def test_many_to_many_depends_on_later_steps_only_if_bidirectional(name, bidirectional):
    net, params, model_state, x = built(
        "many_to_many", name, layers=2, bidirectional=bidirectional
    )

    def reached(t):
        y = lambda x: net.apply(params, model_state, x, key=None, train=False)[0]  # noqa: E731
        return np.abs(jax.grad(lambda x: y(x)[:, t].sum())(x)).sum((0, 2)) > 0

    for t in range(T):
        assert reached(t)[: t + 1].all()
        assert reached(t)[t + 1 :].any() == (bidirectional and t < T - 1)


def test_tokens_are_embedded_and_layers_return_traces():
    options = {"vocabulary": 7, "embedding": 3, "trace": True, "layers": 2}
    net = recurrent("many_to_one", "gru", H, 5, **options)
    tokens = jnp.array([[1, 2, 6, 0], [3, 3, 0, 0]])
    params, model_state = net.init(jax.random.key(0), tokens)
    assert params["Embed_0"]["embedding"].shape == (7, 3)
    (y, traces), _ = net.apply(params, model_state, tokens, key=None, train=False)
    assert y.shape == (2, 5)
    assert list(traces) == ["forward_0", "forward_1"]
    assert traces["forward_1"]["reset_gate"].shape == (2, 4, H)


def test_invalid_options_are_refused():
    with pytest.raises(ValueError, match="many_to_few"):
        recurrent("many_to_few", "lstm", H, 5)
    with pytest.raises(ValueError, match="vocabulary.*embedding"):
        recurrent("many_to_one", "lstm", H, 5, vocabulary=7)
    with pytest.raises(KeyError):
        recurrent("many_to_one", "lstn", H, 5)


def test_recorded_cells_equal_the_trace():
    net, params, model_state, x = built("many_to_one", "lstm", trace=True)
    quiet = recurrent("many_to_one", "lstm", H, 5)
    reached = []
    with record_cells(reached.append):
        quiet.apply(params, model_state, x, key=None, train=False)
    quiet.apply(params, model_state, x, key=None, train=False)
    (_, traces), _ = net.apply(params, model_state, x, key=None, train=False)
    (ablated,) = reached
    np.testing.assert_array_equal(ablated.pop("input"), x.swapaxes(0, 1))
    assert ablated.keys() == traces["forward_0"].keys()
    for name, part in traces["forward_0"].items():
        np.testing.assert_array_equal(ablated[name].swapaxes(0, 1), part)
