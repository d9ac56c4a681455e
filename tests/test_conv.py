"""Convolutions against the plain operation and against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax import backend
from dljax.models import conv, video

CLOSE = {"rtol": 1e-4, "atol": 2e-5}
STRIDES = {"first": 1, "wide": 1, "even": 2, "odd": 2, "one": 2}


def close(a, b):
    np.testing.assert_allclose(a, b, **CLOSE)


def is_pytorchs(golden, name, form):
    keys = ("x", "kernel", "g", "y", "dx", "dk")
    array = {k: golden[f"conv_{name}_{k}"] for k in keys}
    y, back = jax.vjp(form, array["x"], array["kernel"])
    dx, dk = back(array["g"])
    close(y, array["y"])
    close(dx, array["dx"])
    close(dk, array["dk"])


@pytest.mark.parametrize("form", [conv.conv, conv.plain_conv])
@pytest.mark.parametrize("name", list(STRIDES))
def test_conv_is_pytorchs(golden, form, name):
    is_pytorchs(golden, name, lambda x, kernel: form(x, kernel, STRIDES[name]))


@pytest.mark.parametrize("form", [video.conv_3d, video.plain_conv_3d])
def test_conv_3d_is_pytorchs(golden, form):
    is_pytorchs(golden, "clip", form)


def is_the_plain_one(form, plain, x, kernel):
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=shape).astype(np.float32) for shape in (x, kernel))
    y, back = jax.vjp(form, x, kernel)
    expected, plain_back = jax.vjp(plain, x, kernel)
    close(y, expected)
    jax.tree.map(close, back(jnp.cos(expected)), plain_back(jnp.cos(expected)))


SIZES = pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 3), (4, 2), (5, 5)])


@SIZES
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(
    ("image", "channels"),
    [((7, 6), (5, 6)), ((7, 6), (4, 2)), ((4, 8), (3, 3)), ((5, 9), (3, 18))],
)
def test_the_form_for_cpu_gives_the_plain_conv(size, stride, image, channels):
    is_the_plain_one(
        lambda x, kernel: conv._cpu_conv(x, kernel, stride),
        lambda x, kernel: conv.plain_conv(x, kernel, stride),
        (2, *image, channels[0]),
        (*size, *channels),
    )


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (4, 4), (5, 3)])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(
    ("image", "channels"), [((4, 3), (2, 4)), ((1, 1), (3, 3)), ((5, 7), (18, 3))]
)
def test_the_form_for_cpu_gives_the_plain_transpose(size, stride, image, channels):
    is_the_plain_one(
        lambda x, kernel: conv._cpu_conv_transpose(x, kernel, stride),
        lambda x, kernel: conv.plain_conv_transpose(x, kernel, stride),
        (2, *image, channels[1]),
        (*size, *channels),
    )


@pytest.mark.parametrize("size", [(3, 3, 3), (1, 3, 3), (2, 3, 1)])
def test_conv_3d_is_the_plain_one(size):
    x, kernel = (2, 5, 6, 4, 2), (*size, 2, 3)
    is_the_plain_one(video.conv_3d, video.plain_conv_3d, x, kernel)


@pytest.mark.parametrize("form", [conv.conv, video.conv_3d])
def test_accelerators_keep_the_plain_operation(form, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    dims = 3 if form is video.conv_3d else 2
    x, kernel = jnp.zeros((1,) + (4,) * dims + (8,)), jnp.zeros((3,) * dims + (8, 8))
    jaxpr = jax.make_jaxpr(form)(x, kernel)
    assert [e.primitive.name for e in jaxpr.eqns] == ["conv_general_dilated"]


@pytest.mark.skipif(not backend.compiler_options(), reason="XLA has no such option")
def test_on_cpu_convolutions_are_left_to_eigen():
    x, kernel = jnp.ones((8, 8, 8, 16)), jnp.ones((3, 3, 16, 32))
    options = backend.compiler_options()
    compiled = jax.jit(conv.conv, compiler_options=options).lower(x, kernel).compile()
    assert "convolution(" in compiled.as_text()
    assert "__ynn_fusion" not in compiled.as_text()
