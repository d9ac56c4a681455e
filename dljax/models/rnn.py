"""The cells of the simple recurrent net and of the gated recurrent unit."""

import jax
import jax.numpy as jnp

from dljax.models.cell import Cell


def _rnn(x, h, memory):
    del memory
    output = jnp.tanh(x + h)
    return (output,), {"output": output}


def _gru(x, h, memory):
    (before,) = memory
    x_reset, x_update, x_candidate = jnp.split(x, 3, -1)
    h_reset, h_update, h_candidate = jnp.split(h, 3, -1)
    reset = jax.nn.sigmoid(x_reset + h_reset)
    update = jax.nn.sigmoid(x_update + h_update)
    candidate = jnp.tanh(x_candidate + reset * h_candidate)
    output = (1 - update) * candidate + update * before
    trace = {
        "reset_gate": reset,
        "update_gate": update,
        "candidate": candidate,
        "output": output,
    }
    return (output,), trace


RNN = Cell(_rnn, parts=1)
GRU = Cell(_gru, parts=3, memory_bias=True)
