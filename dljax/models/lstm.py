"""The LSTM cell, written out in its five steps."""

import jax
import jax.numpy as jnp

from dljax.models.cell import Cell


def _lstm(x, h, memory):
    # 1 Input processing: x is what the input says to every gate.
    # 2 Previous memory: h is what the last output says to them; c is kept from before.
    _, c = memory
    input_gate, forget_gate, candidate, output_gate = jnp.split(x + h, 4, -1)
    # 3 Gating: how much to write, to keep, to show.
    input_gate = jax.nn.sigmoid(input_gate)
    forget_gate = jax.nn.sigmoid(forget_gate)
    output_gate = jax.nn.sigmoid(output_gate)
    candidate = jnp.tanh(candidate)
    # 4 Updating of the memory.
    c = forget_gate * c + input_gate * candidate
    # 5 Output.
    output = output_gate * jnp.tanh(c)
    trace = {
        "input_gate": input_gate,
        "forget_gate": forget_gate,
        "candidate": candidate,
        "output_gate": output_gate,
        "memory": c,
        "output": output,
    }
    return (output, c), trace


LSTM = Cell(_lstm, parts=4, memories=2, forget=1)
