"""Gradients through time, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np

from dljax.interpret.gradient_flow import gradient_norms_through_time
from dljax.models.cell import RecurrentLayer, unroll
from dljax.models.lstm import LSTM
from dljax.models.rnn import GRU, RNN

T, B, F, H = 12, 2, 3, 4


def weights(cell, memory, bias):
    width = cell.num_gates * H
    kernels = {"input_kernel": jnp.zeros((F, width)), "recurrent_kernel": memory}
    biases = {"bias": bias}
    if cell.recurrent_bias:
        biases["recurrent_bias"] = jnp.zeros(width)
    return {**kernels, **biases}


def first(output):
    return output[:, 0]


def test_gradient_of_linear_recurrence_decays_by_its_factor():
    rotation = 0.9 * jnp.asarray(
        np.linalg.qr(np.random.default_rng(0).normal(size=(H, H)))[0]
    )
    params_of_cell = weights(RNN, rotation.astype(jnp.float32), jnp.zeros(H))
    norms = gradient_norms_through_time(
        RNN, params_of_cell, jnp.zeros((T, B, F)), first
    )
    expected = 0.9 ** np.arange(T)[::-1]
    np.testing.assert_allclose(norms, np.tile(expected, (B, 1)).T, rtol=1e-5)


def test_forget_bias_of_one_decays_by_a_quarter():
    bias = jnp.zeros((4, H)).at[1].set(1.0).reshape(-1)
    params_of_cell = weights(LSTM, jnp.zeros((H, 4 * H)), bias)
    norms = gradient_norms_through_time(
        LSTM, params_of_cell, jnp.zeros((T, B, F)), first
    )
    forget = 1 / (1 + np.exp(-1))
    # The output gate is half open, and tanh is flat at 0.
    np.testing.assert_allclose(norms[:-1, 0], 0.5 * forget ** np.arange(T)[:0:-1], 1e-4)


def test_gradient_through_time_equals_gradient_of_suffix():
    for cell in (RNN, GRU, LSTM):
        layer = RecurrentLayer(cell, H)
        x = jax.random.normal(jax.random.key(1), (T, B, F))
        params = layer.init(jax.random.key(0), x)["params"]
        norms = gradient_norms_through_time(cell, params, x, first)
        begin = (jnp.zeros((B, H)),) * cell.num_states
        for t in (2, 7, T - 1):
            _, memory = unroll(cell, params, x[: t + 1], begin)
            rest = jax.grad(
                lambda m, cell=cell, t=t, params=params, x=x: first(
                    unroll(cell, params, x[t + 1 :], m)[1][0]
                ).sum()
            )(memory)
            norm = jnp.sqrt(sum((part**2).sum(-1) for part in rest))
            np.testing.assert_allclose(norms[t], norm, rtol=1e-4, atol=1e-7)
