"""Convolution and its transpose, in the form that XLA:CPU compiles well.

GPU and TPU keep the plain operation. On CPU a convolution is fast only in XLA's
canonical layout, without spread inputs, and with inputs that are in memory. So the
gradient of the kernel swaps batch and channels by itself, that of the input at a stride
is a convolution that makes one feature a phase, or one product, few features are made
two pixels at a time, and what is convolved is kept from being computed anew by
everything that reads it. All this is tested against the plain form, values and
gradients.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax

LAYOUT = ("NHWC", "HWIO", "NHWC")
FEW = 4  # inputs


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
    return _cpu_conv(x, kernel, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _cpu_conv(x, kernel, stride):
    return _forward(x, kernel, stride)[0]


def _forward(x, kernel, stride):
    x = _kept(x)
    pads = (_same(kernel.shape[0]), _same(kernel.shape[1]))
    return _convolve(x, kernel, stride, pads), (x, kernel)


def _backward(stride, saved, g):
    x, kernel = saved
    g = _kept(g)
    dx = _input_gradient(g, kernel, x.shape[1:3], stride)
    return dx, _kernel_gradient(x, g, kernel.shape, stride)


_cpu_conv.defvjp(_forward, _backward)


def _kept(x):
    """x, which XLA:CPU has to put into memory.

    Else it computes x's elementwise producers, back to the last convolution and beyond,
    again within the transpositions below, element by element across the strides. It
    does that for operations on one array; this one counts as being on two.
    """
    return jnp.where(x == x, x, jnp.nan)


def _convolve(x, kernel, stride, pads):
    """XLA's convolution; few features are made two columns at a time."""
    kh, kw, inputs, features = kernel.shape
    if stride > 1 and inputs <= FEW:  # of which a product is faster
        return _multiplied(x, kernel, stride, pads)
    if 1 < x.shape[1] < kh or 1 < x.shape[2] < kw:  # slow, with padding not in memory
        x = lax.optimization_barrier(jnp.pad(x, ((0, 0), *pads, (0, 0))))
        pads = ((0, 0), (0, 0))
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


def _multiplied(x, kernel, stride, pads):
    """The convolution as one product, of what each place of the result sees (b h w,
    taps x inputs) with the kernel. Source: Chellapilla, Puri, Simard 2006.
    """
    b, *size, inputs = x.shape
    blocks = _blocks(kernel, stride)
    h, w = (
        (n + sum(pad) - k) // stride + 1
        for n, pad, k in zip(size, pads, kernel.shape, strict=False)
    )
    rows, columns = h + blocks.shape[0] - 1, w + blocks.shape[1] - 1
    x = _cut(x, [-low for low, _ in pads], (rows * stride, columns * stride))
    x = x.reshape(b, rows, stride, columns, stride, inputs).swapaxes(2, 3)
    x = x.reshape(b, rows, columns, -1)
    parts = [x[:, i : i + h, j : j + w] for i, j in np.ndindex(blocks.shape[:2])]
    seen = jnp.concatenate(parts, -1).reshape(b * h * w, -1)
    return (seen @ blocks.reshape(-1, blocks.shape[-1])).reshape(b, h, w, -1)


def _input_gradient(g, kernel, size, stride):
    """The gradient of the input, whose height and width are `size`.

    Each of its stride x stride phases is a convolution of `g` with some of the taps;
    together they are one, with as many times the features. Where the kernel is of whole
    blocks of stride x stride taps, or the inputs are few, it is one product.
    """
    *taps, inputs, _ = kernel.shape
    if stride > 1 and (inputs <= FEW or not any(k % stride for k in taps)):
        return _spread(g, kernel, size, stride)
    height, width = size
    (rows, tall), (columns, wide) = (_taps(k, stride) for k in taps)
    kernel = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))  # a tap of zeros
    kernel = kernel[rows][:, :, columns]  # (phase, tap, phase, tap, inputs, features)
    kernel = kernel.transpose(1, 3, 5, 0, 2, 4)
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


def _spread(g, kernel, size, stride):
    """The gradient of the input as one product, of `g` (b h w, o) with the kernel: what
    is given to the input at each tap, in blocks that overlap. Source: as `_multiplied`.
    """
    b, h, w, features = g.shape
    blocks = _blocks(kernel, stride)
    rows, columns = blocks.shape[:2]
    given = g.reshape(-1, features) @ blocks.reshape(-1, features).T
    given = given.reshape(b, h, w, *blocks.shape[:-1])

    def block(i, j):
        beside = ((i, rows - 1 - i), (j, columns - 1 - j))
        return jnp.pad(given[:, :, :, i, j], ((0, 0), *beside, *[(0, 0)] * 3))

    dx = sum(block(i, j) for i, j in np.ndindex(rows, columns))
    height, width = (h + rows - 1) * stride, (w + columns - 1) * stride
    lows = [_same(k)[0] for k in kernel.shape[:2]]
    return _cut(dx.swapaxes(2, 3).reshape(b, height, width, -1), lows, size)


def _blocks(kernel, stride):
    """(kh, kw, i, o), filled up with zeros -> (rows, columns, stride, stride, i, o)."""
    rows, columns = (-(-k // stride) for k in kernel.shape[:2])
    below, right = rows * stride - kernel.shape[0], columns * stride - kernel.shape[1]
    kernel = jnp.pad(kernel, ((0, below), (0, right), (0, 0), (0, 0)))
    kernel = kernel.reshape(rows, stride, columns, stride, *kernel.shape[2:])
    return kernel.swapaxes(1, 2)


def _cut(x, begin, size):
    """x (b, h, w, c) from `begin` on, as high and wide as `size`; 0 outside of x."""
    sides = [
        (-first, first + n - there, 0)
        for first, n, there in zip(begin, size, x.shape[1:3], strict=True)
    ]
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *sides, (0, 0, 0)])


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


def plain_conv_transpose(x, kernel, stride: int = 2):
    """What sends x (b, h, w, o) back through `plain_conv` with a kernel (kh, kw, i, o):
    its gradient by its input, (b, h * stride, w * stride, i).

    With a kernel of 4 and a stride of 2 it is PyTorch's at a padding of 1.
    """
    size = (len(x), x.shape[1] * stride, x.shape[2] * stride, kernel.shape[2])
    like = jax.ShapeDtypeStruct(size, x.dtype)
    return jax.linear_transpose(lambda y: plain_conv(y, kernel, stride), like)(x)[0]


def conv_transpose(x, kernel, stride: int = 2):
    """`plain_conv_transpose`, in the form that is fast on this backend.

    Source: where its kernel is not of whole blocks, Shi et al. 2016 (sub-pixel
    convolution).
    """
    if jax.default_backend() != "cpu":
        return plain_conv_transpose(x, kernel, stride)
    return _cpu_conv_transpose(x, kernel, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _cpu_conv_transpose(x, kernel, stride):
    return _transpose_forward(x, kernel, stride)[0]


def _transpose_forward(x, kernel, stride):
    x = _kept(x)
    size = (x.shape[1] * stride, x.shape[2] * stride)
    return _input_gradient(x, kernel, size, stride), (x, kernel)


def _transpose_backward(stride, saved, g):
    x, kernel = saved
    g = _kept(g)
    pads = (_same(kernel.shape[0]), _same(kernel.shape[1]))
    dx = _convolve(g, kernel, stride, pads)
    return dx, _kernel_gradient(g, x, kernel.shape, stride)


_cpu_conv_transpose.defvjp(_transpose_forward, _transpose_backward)


class ConvTranspose(nn.Module):
    """Transposed convolution: (b, h, w, i) -> (b, h * stride, w * stride, o)."""

    features: int
    size: int = 4
    bias: bool = True
    stride: int = 2

    @nn.compact
    def __call__(self, x):
        shape = (self.size, self.size, self.features, x.shape[-1])
        # Of size^2 taps a pixel of the output is given one of each phase.
        initial = nn.initializers.variance_scaling(
            2.0 * self.stride**2, "fan_in", "truncated_normal", -1, -2
        )
        kernel = self.param("kernel", initial, shape)
        y = conv_transpose(x, kernel.astype(x.dtype), self.stride)
        if self.bias:
            bias = self.param("bias", nn.initializers.zeros, (self.features,))
            y += bias.astype(y.dtype).reshape(1, 1, 1, -1)
        return y


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
