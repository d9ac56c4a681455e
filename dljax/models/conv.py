"""Convolution, in the forms that XLA:CPU compiles well.

GPU and TPU keep the plain operation. On CPU there are two forms. *Patches*: a matrix
product over every pixel's neighbourhood, and the kernel's gradient from the same
patches; for narrow inputs. *Direct*: XLA's convolution, which is fast there only in its
canonical layout and without spread inputs; so the kernel's gradient swaps batch and
channels by itself, the input's gradient at a stride is a convolution that makes one
feature a phase, and few features are made two pixels at a time. Each is tested against
the plain form, values and gradients.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

LAYOUT = ("NHWC", "HWIO", "NHWC")


def _same(k):
    """What is padded before and after, for a kernel of k: PyTorch's k // 2 if odd."""
    return (k - 1) // 2, k // 2


def plain_conv(x, kernel, stride: int = 1):
    """Convolution: (b, h, w, i) * (kh, kw, i, o) -> (b, ceil(h / stride), ..., o).

    Padded alike on both sides, as PyTorch does it, for odd kernels.
    """
    pads = (_same(kernel.shape[0]), _same(kernel.shape[1]))
    strides = (stride, stride)
    return lax.conv_general_dilated(x, kernel, strides, pads, dimension_numbers=LAYOUT)


def conv(x, kernel, stride: int = 1):
    """`plain_conv`, in the form that is fast on this backend."""
    if jax.default_backend() != "cpu":
        return plain_conv(x, kernel, stride)
    kh, kw, inputs, features = kernel.shape
    if kh == kw == 1:
        x = x[:, ::stride, ::stride]
        return (x.reshape(-1, inputs) @ kernel[0, 0]).reshape(*x.shape[:3], features)
    if stride == 1 and inputs < features:
        return _patch_conv(x, kernel)
    return _direct_conv(x, kernel, stride)


@jax.custom_vjp
def _patch_conv(x, kernel):
    return _patch_forward(x, kernel)[0]


def _patches(x, kh, kw):
    """Every pixel's neighbourhood as matrices whose columns together are kh * kw * c.

    One matrix (b * h * w, kh * kw * c) where c is small; else for each of the kh rows
    one of (b * h * w, kw * c), which is cheaper to lay out: copies are longer.
    """
    b, h, w, c = x.shape
    x = jnp.pad(x, ((0, 0), _same(kh), _same(kw), (0, 0)))
    if c < 8:
        shifted = [x[:, i : i + h, j : j + w] for i in range(kh) for j in range(kw)]
        return [jnp.concatenate(shifted, -1).reshape(b * h * w, kh * kw * c)]
    wide = jnp.concatenate([x[:, :, j : j + w] for j in range(kw)], -1)
    return [wide[:, i : i + h].reshape(b * h * w, kw * c) for i in range(kh)]


def _patch_forward(x, kernel):
    kh, kw, _, features = kernel.shape
    patches = _patches(x, kh, kw)
    kernels = kernel.reshape(len(patches), -1, features)
    y = sum(p @ k for p, k in zip(patches, kernels, strict=True))
    return y.reshape(*x.shape[:3], features), (patches, kernel)


def _patch_backward(saved, g):
    patches, kernel = saved
    flat = g.reshape(-1, g.shape[-1])
    dk = jnp.stack([p.T @ flat for p in patches]).reshape(kernel.shape)
    return _input_gradient(g, kernel, g.shape[1:3], 1), dk


_patch_conv.defvjp(_patch_forward, _patch_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _direct_conv(x, kernel, stride):
    return _direct_forward(x, kernel, stride)[0]


def _direct_forward(x, kernel, stride):
    pads = (_same(kernel.shape[0]), _same(kernel.shape[1]))
    return _convolve(x, kernel, stride, pads), (x, kernel)


def _direct_backward(stride, saved, g):
    x, kernel = saved
    dx = _input_gradient(g, kernel, x.shape[1:3], stride)
    return dx, _kernel_gradient(x, g, kernel.shape, stride)


_direct_conv.defvjp(_direct_forward, _direct_backward)


def _convolve(x, kernel, stride, pads):
    """XLA's convolution; few features are made for two columns at a time."""
    kh, kw, inputs, features = kernel.shape
    columns = x.shape[2] + sum(pads[1]) - kw + 1
    two = stride == 1 and inputs <= features <= 16 and columns % 2 == 0
    if two:
        left, right = (
            jnp.pad(kernel, ((0, 0), (i, 1 - i), (0, 0), (0, 0))) for i in (0, 1)
        )
        kernel = jnp.concatenate([left, right], -1)
    strides = (stride, 2 if two else stride)
    y = lax.conv_general_dilated(x, kernel, strides, pads, dimension_numbers=LAYOUT)
    return y.reshape(*y.shape[:2], -1, features)


def _input_gradient(g, kernel, size, stride):
    """The gradient of the input, whose height and width are `size`.

    Each of its stride x stride phases is a convolution of `g` with some of the taps;
    together they are one, with as many times the features.
    """
    height, width = size
    (rows, tall), (columns, wide) = (_taps(k, stride) for k in kernel.shape[:2])
    kernel = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))  # a tap of zeros
    kernel = kernel[rows][:, :, columns]  # (phase, tap, phase, tap, inputs, features)
    kernel = kernel.transpose(1, 3, 5, 0, 2, 4)
    inputs = kernel.shape[-1]
    kernel = kernel.reshape(*kernel.shape[:3], stride * stride * inputs)
    dx = _convolve(g, kernel, 1, (tall, wide))
    if stride == 1:
        return dx
    b, h, w, _ = dx.shape
    dx = dx.reshape(b, h, w, stride, stride, inputs).swapaxes(2, 3)
    return dx.reshape(b, h * stride, w * stride, inputs)[:, :height, :width]


def _taps(k, stride):
    """int (phases, window): which tap of a kernel of k acts there; k: none; and pads.

    y[u] = sum over t of x[stride u - low + t] kernel[t], seen from x.
    """
    low, high = _same(k)
    before, after = high // stride, (stride - 1 + low) // stride
    window = np.arange(-before, after + 1)
    taps = np.arange(stride).reshape(-1, 1) + low - stride * window.reshape(1, -1)
    return np.where((taps >= 0) & (taps < k), taps, k), (before, after)


def _kernel_gradient(x, g, shape, stride):
    """The gradient of the kernel: input channels as a batch, the batch as channels."""
    # Else XLA sees the plain gradient again, and goes its slow way.
    x = lax.optimization_barrier(x.transpose(3, 1, 2, 0))
    g = lax.optimization_barrier(g.transpose(1, 2, 0, 3))

    def pads(k, size, places):
        low = _same(k)[0]
        return low, k + stride * (places - 1) - low - size

    dk = lax.conv_general_dilated(
        x,
        g,
        (1, 1),
        [pads(*three) for three in zip(shape[:2], x.shape[1:3], g.shape, strict=False)],
        rhs_dilation=(stride, stride),
        dimension_numbers=LAYOUT,
    )
    return dk.transpose(1, 2, 0, 3)


class Conv(nn.Module):
    """Convolution: (b, h, w, i) -> (b, ceil(h / stride), ceil(w / stride), o)."""

    features: int
    size: int = 3
    bias: bool = True
    stride: int = 1

    @nn.compact
    def __call__(self, x):
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        y = conv(x, kernel.astype(x.dtype), self.stride)
        if self.bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y += bias.astype(y.dtype).reshape(1, 1, 1, -1)
        return y
