"""Convolution, transposed convolution and 3-D convolution.

GPU and TPU use the plain operation. XLA:CPU is fast only for convolutions in its
canonical layout, without dilated inputs, with inputs in memory. On CPU therefore:

* the kernel's gradient is a convolution with batch and channels swapped;
* the input's gradient of a strided convolution is one convolution whose features are
  the phases of the stride, or one matrix product;
* convolutions with few features compute two columns at a time;
* inputs of convolutions are materialized in memory.

Shapes: B examples, H and W pixels, I input channels, O output features.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dljax.ops.backend_forms import on_cpu

DIMENSION_NUMBERS = ("NHWC", "HWIO", "NHWC")
FEW_CHANNELS = 4


def plain_conv(x_BHWI, kernel_HWIO, stride: int = 1):
    """Convolution: (b, h, w, i) * (kh, kw, i, o) -> (b, ceil(h / stride), ..., o).

    Odd kernels have the same padding on both sides, as in PyTorch.
    """
    return lax.conv_general_dilated(
        x_BHWI,
        kernel_HWIO,
        (stride, stride),
        _paddings(kernel_HWIO),
        dimension_numbers=DIMENSION_NUMBERS,
    )


def conv(x_BHWI, kernel_HWIO, stride: int = 1):
    """`plain_conv` in the form that is fast on the current backend."""
    if not on_cpu():
        return plain_conv(x_BHWI, kernel_HWIO, stride)
    kh, kw, inputs, features = kernel_HWIO.shape
    if kh == kw == 1:
        x_BHWI = x_BHWI[:, ::stride, ::stride]
        y = x_BHWI.reshape(-1, inputs) @ kernel_HWIO[0, 0]
        return y.reshape(*x_BHWI.shape[:3], features)
    return cpu_conv(x_BHWI, kernel_HWIO, stride)


def plain_conv_transpose(x_BHWO, kernel_HWIO, stride: int = 2):
    """Transposed convolution: (b, h, w, o) * (kh, kw, i, o) -> (b, h * stride, ..., i).

    The gradient of `plain_conv` with respect to its input, for output gradients x. With
    kernel size 4 and stride 2 it equals PyTorch's with padding 1.
    """
    b, h, w, _ = x_BHWO.shape
    size = (b, h * stride, w * stride, kernel_HWIO.shape[2])
    like = jax.ShapeDtypeStruct(size, x_BHWO.dtype)
    transpose = jax.linear_transpose(lambda y: plain_conv(y, kernel_HWIO, stride), like)
    return transpose(x_BHWO)[0]


def conv_transpose(x_BHWO, kernel_HWIO, stride: int = 2):
    """`plain_conv_transpose` in the form that is fast on the current backend.

    Source: Shi et al. 2016 (sub-pixel convolution), for kernels whose sides are not
    multiples of the stride.
    """
    form = cpu_conv_transpose if on_cpu() else plain_conv_transpose
    return form(x_BHWO, kernel_HWIO, stride)


def plain_conv_3d(x_BTHWI, kernel_THWIO):
    """3-D convolution of stride 1: (b, t, h, w, i) * (kt, kh, kw, i, o)."""
    return lax.conv_general_dilated(
        x_BTHWI,
        kernel_THWIO,
        (1, 1, 1),
        "SAME",
        dimension_numbers=("NTHWC", "THWIO", "NTHWC"),
    )


def conv_3d(x_BTHWI, kernel_THWIO):
    """`plain_conv_3d`; on CPU one 2-D convolution of frames.

    The channels of a frame are those of the frames under the kernel.
    """
    if not on_cpu():
        return plain_conv_3d(x_BTHWI, kernel_THWIO)
    b, t, h, w, _ = x_BTHWI.shape
    kt, kh, kw, _, features = kernel_THWIO.shape
    padding = ((0, 0), ((kt - 1) // 2, kt // 2), (0, 0), (0, 0), (0, 0))
    x_BTHWI = jnp.pad(x_BTHWI, padding)
    x_BTHWI = jnp.concatenate([x_BTHWI[:, i : i + t] for i in range(kt)], -1)
    kernel_HWIO = kernel_THWIO.transpose(1, 2, 0, 3, 4).reshape(kh, kw, -1, features)
    y = conv(x_BTHWI.reshape(b * t, h, w, -1), kernel_HWIO)
    return y.reshape(b, t, h, w, features)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def cpu_conv(x, kernel, stride):
    """`plain_conv` on CPU, for kernels larger than 1x1."""
    return _conv_forward(x, kernel, stride)[0]


def _conv_forward(x, kernel, stride):
    x = _materialized(x)
    return _convolve(x, kernel, stride, _paddings(kernel)), (x, kernel)


def _conv_backward(stride, residuals, g):
    x, kernel = residuals
    g = _materialized(g)
    dx = _input_gradient(g, kernel, x.shape[1:3], stride)
    return dx, _kernel_gradient(x, g, kernel.shape, stride)


cpu_conv.defvjp(_conv_forward, _conv_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def cpu_conv_transpose(x, kernel, stride):
    """`plain_conv_transpose` on CPU: the input gradient of `cpu_conv`."""
    return _transpose_forward(x, kernel, stride)[0]


def _transpose_forward(x, kernel, stride):
    x = _materialized(x)
    size = (x.shape[1] * stride, x.shape[2] * stride)
    return _input_gradient(x, kernel, size, stride), (x, kernel)


def _transpose_backward(stride, residuals, g):
    x, kernel = residuals
    g = _materialized(g)
    dx = _convolve(g, kernel, stride, _paddings(kernel))
    return dx, _kernel_gradient(g, x, kernel.shape, stride)


cpu_conv_transpose.defvjp(_transpose_forward, _transpose_backward)


def _padding(k):
    """(before, after) along a side k of a kernel; both are k // 2 if k is odd."""
    return (k - 1) // 2, k // 2


def _paddings(kernel):
    return _padding(kernel.shape[0]), _padding(kernel.shape[1])


def _materialized(x):
    """Makes XLA:CPU write x to memory; returns x.

    Otherwise XLA:CPU recomputes the elementwise producers of x, back to the previous
    convolution and beyond, within the transpositions below, one element at a time. XLA
    fuses only producers with one operand; `where` has several.
    """
    return jnp.where(x == x, x, jnp.nan)


def _convolve(x, kernel, stride, paddings):
    """XLA's convolution; with few features it computes two columns at a time."""
    kh, kw, inputs, features = kernel.shape
    if stride > 1 and inputs <= FEW_CHANNELS:  # a matrix product is faster
        return _patches_product(x, kernel, stride, paddings)
    if 1 < x.shape[1] < kh or 1 < x.shape[2] < kw:  # slow unless padded first
        x = lax.optimization_barrier(jnp.pad(x, ((0, 0), *paddings, (0, 0))))
        paddings = ((0, 0), (0, 0))
    columns = x.shape[2] + sum(paddings[1]) - kw + 1
    in_pairs = stride == 1 and inputs <= features <= 16 and columns % 2 == 0
    if in_pairs:
        left, right = (
            jnp.pad(kernel, ((0, 0), (i, 1 - i), (0, 0), (0, 0))) for i in (0, 1)
        )
        kernel = jnp.concatenate([left, right], -1)
    y = lax.conv_general_dilated(
        x,
        kernel,
        (stride, 2 if in_pairs else stride),
        paddings,
        dimension_numbers=DIMENSION_NUMBERS,
    )
    return y.reshape(*y.shape[:2], -1, features)


def _patches_product(x, kernel, stride, paddings):
    """The convolution as one matrix product (im2col): patches (b h w, taps i) @ kernel.

    Source: Chellapilla, Puri, Simard 2006.
    """
    b, *size, inputs = x.shape
    blocks = _kernel_blocks(kernel, stride)
    h, w = (
        (n + sum(padding) - k) // stride + 1
        for n, padding, k in zip(size, paddings, kernel.shape, strict=False)
    )
    rows, columns = h + blocks.shape[0] - 1, w + blocks.shape[1] - 1
    begin = [-before for before, _ in paddings]
    x = _window(x, begin, (rows * stride, columns * stride))
    x = x.reshape(b, rows, stride, columns, stride, inputs).swapaxes(2, 3)
    x = x.reshape(b, rows, columns, -1)
    parts = [x[:, i : i + h, j : j + w] for i, j in np.ndindex(blocks.shape[:2])]
    patches = jnp.concatenate(parts, -1).reshape(b * h * w, -1)
    return (patches @ blocks.reshape(-1, blocks.shape[-1])).reshape(b, h, w, -1)


def _input_gradient(g, kernel, size, stride):
    """The gradient with respect to an input of height and width `size`.

    Each of the stride^2 phases of the input is a convolution of `g` with some of the
    taps; one convolution with stride^2 times the features computes all phases. If the
    stride divides the kernel's sides, or the input channels are few, it is one matrix
    product.
    """
    *taps, inputs, _ = kernel.shape
    whole_blocks = not any(k % stride for k in taps)
    if stride > 1 and (inputs <= FEW_CHANNELS or whole_blocks):
        return _input_gradient_product(g, kernel, size, stride)
    height, width = size
    (rows, tall), (columns, wide) = (_phase_taps(k, stride) for k in taps)
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


def _phase_taps(k, stride):
    """The taps that contribute to each phase of the input, along one axis.

    Returns:
      taps, int (phases, window), and padding (before, after). taps[p, o] is the index
      into a kernel of size k that contributes to input phase p at window offset o; k
      if there is none.

    Solves y[u] = sum over t of x[stride u - before + t] kernel[t] for x.
    """
    before, after = _padding(k)
    left, right = after // stride, (stride - 1 + before) // stride
    window = np.arange(-left, right + 1)
    taps = np.arange(stride).reshape(-1, 1) + before - stride * window.reshape(1, -1)
    return np.where((taps >= 0) & (taps < k), taps, k), (left, right)


def _input_gradient_product(g, kernel, size, stride):
    """The gradient with respect to the input as one matrix product (col2im).

    The product of `g` (b h w, o) and the kernel has the contribution of each tap; they
    are summed over overlapping blocks. Source: see `_patches_product`.
    """
    b, h, w, features = g.shape
    blocks = _kernel_blocks(kernel, stride)
    rows, columns = blocks.shape[:2]
    contributions = g.reshape(-1, features) @ blocks.reshape(-1, features).T
    contributions = contributions.reshape(b, h, w, *blocks.shape[:-1])

    def shifted(i, j):
        offsets = ((i, rows - 1 - i), (j, columns - 1 - j))
        padding = ((0, 0), *offsets, *[(0, 0)] * 3)
        return jnp.pad(contributions[:, :, :, i, j], padding)

    dx = sum(shifted(i, j) for i, j in np.ndindex(rows, columns))
    height, width = (h + rows - 1) * stride, (w + columns - 1) * stride
    begin = [before for before, _ in _paddings(kernel)]
    return _window(dx.swapaxes(2, 3).reshape(b, height, width, -1), begin, size)


def _kernel_blocks(kernel, stride):
    """Splits a kernel into stride x stride blocks, padded with zeros.

    (kh, kw, i, o) -> (rows, columns, stride, stride, i, o).
    """
    rows, columns = (-(-k // stride) for k in kernel.shape[:2])
    below, right = rows * stride - kernel.shape[0], columns * stride - kernel.shape[1]
    kernel = jnp.pad(kernel, ((0, below), (0, right), (0, 0), (0, 0)))
    kernel = kernel.reshape(rows, stride, columns, stride, *kernel.shape[2:])
    return kernel.swapaxes(1, 2)


def _window(x, begin, size):
    """Crops x (b, h, w, c) at pixel `begin` to `size` (h, w); 0 outside of x."""
    sides = [
        (-first, first + n - length, 0)
        for first, n, length in zip(begin, size, x.shape[1:3], strict=True)
    ]
    return lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *sides, (0, 0, 0)])


def _kernel_gradient(x, g, shape, stride):
    """The gradient with respect to the kernel: a convolution over the batch.

    Input channels act as the batch, and the batch as channels.
    """
    # Without the barriers XLA recognizes the plain gradient and compiles its slow form.
    x = lax.optimization_barrier(x.transpose(3, 1, 2, 0))
    g = lax.optimization_barrier(g.transpose(1, 2, 0, 3))

    def padding(k, size, length):
        before = _padding(k)[0]
        return before, k + stride * (length - 1) - before - size

    sides = zip(shape[:2], x.shape[1:3], g.shape, strict=False)
    dk = lax.conv_general_dilated(
        x,
        g,
        (1, 1),
        [padding(*side) for side in sides],
        rhs_dilation=(stride, stride),
        dimension_numbers=DIMENSION_NUMBERS,
    )
    return dk.transpose(1, 2, 0, 3)
