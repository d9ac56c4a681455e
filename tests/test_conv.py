"""Convolutions against the plain operation and against PyTorch."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax.ops import backend_forms, conv

CLOSE = {"rtol": 1e-4, "atol": 2e-5}
STRIDES = {"first": 1, "wide": 1, "even": 2, "odd": 2, "one": 2}


def close(a, b):
    np.testing.assert_allclose(a, b, **CLOSE)


def assert_equals_pytorch(golden, name, form):
    keys = ("x", "kernel", "g", "y", "dx", "dk")
    array = {k: golden[f"conv_{name}_{k}"] for k in keys}
    y, back = jax.vjp(form, array["x"], array["kernel"])
    dx, dk = back(array["g"])
    close(y, array["y"])
    close(dx, array["dx"])
    close(dk, array["dk"])


@pytest.mark.parametrize("form", [conv.conv, conv.plain_conv])
@pytest.mark.parametrize("name", list(STRIDES))
def test_conv_equals_pytorch(golden, form, name):
    assert_equals_pytorch(golden, name, lambda *args: form(*args, STRIDES[name]))


@pytest.mark.parametrize("form", [conv.conv_3d, conv.plain_conv_3d])
def test_conv_3d_equals_pytorch(golden, form):
    assert_equals_pytorch(golden, "clip", form)


def assert_equals_plain(form, plain, x, kernel):
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=shape).astype(np.float32) for shape in (x, kernel))
    y, back = jax.vjp(form, x, kernel)
    expected, plain_back = jax.vjp(plain, x, kernel)
    close(y, expected)
    jax.tree.map(close, back(jnp.cos(expected)), plain_back(jnp.cos(expected)))


def _shapes(sizes, images):
    """Sizes, strides and images; the short suite takes strides and images in turn."""
    cases = []
    for (i, size), stride in itertools.product(enumerate(sizes), (1, 2, 3)):
        for j, image in enumerate(images):
            short = stride == i % 3 + 1 and j == (i + stride) % len(images)
            marks = () if short else pytest.mark.long
            cases.append(pytest.param(size, stride, *image, marks=marks))
    return pytest.mark.parametrize(("size", "stride", "image", "channels"), cases)


@_shapes(
    [(1, 1), (2, 2), (3, 3), (4, 2), (5, 5)],
    [((7, 6), (5, 6)), ((7, 6), (4, 2)), ((4, 8), (3, 3)), ((5, 9), (3, 18))],
)
def test_cpu_conv_equals_plain_conv(size, stride, image, channels):
    assert_equals_plain(
        lambda x, kernel: conv.cpu_conv(x, kernel, stride),
        lambda x, kernel: conv.plain_conv(x, kernel, stride),
        (2, *image, channels[0]),
        (*size, *channels),
    )


@_shapes(
    [(1, 1), (3, 3), (4, 4), (5, 3)],
    [((4, 3), (2, 4)), ((1, 1), (3, 3)), ((5, 7), (18, 3))],
)
def test_cpu_conv_transpose_equals_plain(size, stride, image, channels):
    assert_equals_plain(
        lambda x, kernel: conv.cpu_conv_transpose(x, kernel, stride),
        lambda x, kernel: conv.plain_conv_transpose(x, kernel, stride),
        (2, *image, channels[1]),
        (*size, *channels),
    )


@pytest.mark.parametrize("size", [(3, 3, 3), (1, 3, 3), (2, 3, 1)])
def test_conv_3d_equals_plain(size):
    x, kernel = (2, 5, 6, 4, 2), (*size, 2, 3)
    assert_equals_plain(conv.conv_3d, conv.plain_conv_3d, x, kernel)


@pytest.mark.parametrize("form", [conv.conv, conv.conv_3d])
def test_accelerators_run_the_plain_convolution(form, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    dims = 3 if form is conv.conv_3d else 2
    x, kernel = jnp.zeros((1,) + (4,) * dims + (8,)), jnp.zeros((3,) * dims + (8, 8))
    jaxpr = jax.make_jaxpr(form)(x, kernel)
    assert [e.primitive.name for e in jaxpr.eqns] == ["conv_general_dilated"]


@pytest.mark.skipif(not backend_forms.compiler_options(), reason="unknown to XLA")
def test_eigen_computes_convolutions_on_cpu():
    x, kernel = jnp.ones((8, 8, 8, 16)), jnp.ones((3, 3, 16, 32))
    options = backend_forms.compiler_options()
    compiled = jax.jit(conv.conv, compiler_options=options).lower(x, kernel).compile()
    assert "convolution(" in compiled.as_text()
    assert "__ynn_fusion" not in compiled.as_text()
