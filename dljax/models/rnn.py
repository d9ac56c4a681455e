"""The cells of the simple recurrent net (Elman) and of the gated recurrent unit."""

import jax
import jax.numpy as jnp

from dljax.models.cell import Cell


def _rnn(x_BH, h_BH, carry):
    del carry
    output_BH = jnp.tanh(x_BH + h_BH)
    return (output_BH,), {"output": output_BH}


def _gru(x_BG, h_BG, carry):
    (previous_BH,) = carry
    x_reset, x_update, x_candidate = jnp.split(x_BG, 3, -1)
    h_reset, h_update, h_candidate = jnp.split(h_BG, 3, -1)
    reset = jax.nn.sigmoid(x_reset + h_reset)
    update = jax.nn.sigmoid(x_update + h_update)
    candidate = jnp.tanh(x_candidate + reset * h_candidate)
    output_BH = (1 - update) * candidate + update * previous_BH
    trace = {
        "reset_gate": reset,
        "update_gate": update,
        "candidate": candidate,
        "output": output_BH,
    }
    return (output_BH,), trace


RNN = Cell(_rnn, num_gates=1)
GRU = Cell(_gru, num_gates=3, recurrent_bias=True)
