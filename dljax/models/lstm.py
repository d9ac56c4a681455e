"""The LSTM cell, and LSTM cells without one of its parts."""

import functools

import jax
import jax.numpy as jnp

from dljax.models.cell import Cell


def _lstm(x_BG, h_BG, carry, *, without=""):
    # x_BG + h_BG: the preactivations of all gates. c_BH: the previous cell state.
    _, c_BH = carry
    i, f, g, o = jnp.split(x_BG + h_BG, 4, -1)
    # i: input gate, f: forget gate, o: output gate, g: candidate.
    open_gate = jnp.ones_like(i)
    i = open_gate if without == "input_gate" else jax.nn.sigmoid(i)
    f = open_gate if without == "forget_gate" else jax.nn.sigmoid(f)
    f = 1 - i if without == "coupled" else f
    o = open_gate if without == "output_gate" else jax.nn.sigmoid(o)
    g = g if without == "input_activation" else jnp.tanh(g)
    c_BH = f * c_BH + i * g
    output_BH = o * (c_BH if without == "output_activation" else jnp.tanh(c_BH))
    trace = {
        "input_gate": i,
        "forget_gate": f,
        "candidate": g,
        "output_gate": o,
        "cell": c_BH,
        "output": output_BH,
    }
    return (output_BH, c_BH), trace


LSTM = Cell(_lstm, num_gates=4, num_states=2, forget_gate=1)

# The ablations of Greff et al. 2017: each removes one part. A removed gate is open (1);
# "coupled" replaces the forget gate by 1 - input gate.
PARTS = ("input_gate", "forget_gate", "output_gate") + (
    "input_activation",
    "output_activation",
    "coupled",
)
ABLATIONS = {
    f"lstm_{part}": LSTM._replace(step=functools.partial(_lstm, without=part))
    for part in PARTS
}
