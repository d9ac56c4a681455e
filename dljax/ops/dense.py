"""Matrix products of dense layers, and softmax."""

import jax
from jax import lax

from dljax.ops.backend_forms import on_cpu


def dense_product(x, kernel, dimension_numbers, precision=None):
    """Multiplies x (..., n) by kernel (n, k); a `dot_general` for Linen's Dense.

    The plain form is `lax.dot_general`. On CPU all leading axes are merged to one
    matrix product, so that the kernel's gradient needs no transposed copy.
    """
    if not on_cpu():
        return lax.dot_general(x, kernel, dimension_numbers, precision=precision)
    rows = x.reshape(-1, x.shape[-1])
    y = lax.dot(rows, kernel, precision=precision)
    return y.reshape(*x.shape[:-1], kernel.shape[-1])


def softmax(x):
    """`jax.nn.softmax` over the last axis; on CPU computed once, behind a barrier.

    Otherwise XLA:CPU recomputes the exponentials for the gradient, fused with other
    operations, with last bits that depend on the number of devices.
    """
    return _softmax_once(x) if on_cpu() else jax.nn.softmax(x)


@jax.custom_vjp
def _softmax_once(x):
    return jax.nn.softmax(x)


def _softmax_forward(x):
    probabilities = lax.optimization_barrier(jax.nn.softmax(x))
    return probabilities, probabilities


def _softmax_backward(probabilities, g):
    inner = (probabilities * g).sum(-1, keepdims=True)
    return (probabilities * (g - inner),)


_softmax_once.defvjp(_softmax_forward, _softmax_backward)
