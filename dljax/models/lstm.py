"""The LSTM cell, written out in its five steps, and cells that lack a part of it."""

import functools

import jax
import jax.numpy as jnp

from dljax.models.cell import Cell


def _lstm(x, h, memory, *, without=""):
    _, c = memory
    # 1 Input processing: x is what the input says to every gate.
    # 2 Previous memory: h is what the last output says to them; c is what was kept.
    write, keep, candidate, show = jnp.split(x + h, 4, -1)
    # 3 Gating: how much to write, to keep, and to show.
    open_gate = jnp.ones_like(write)
    write = open_gate if without == "input_gate" else jax.nn.sigmoid(write)
    keep = open_gate if without == "forget_gate" else jax.nn.sigmoid(keep)
    keep = 1 - write if without == "coupled" else keep
    show = open_gate if without == "output_gate" else jax.nn.sigmoid(show)
    candidate = candidate if without == "input_activation" else jnp.tanh(candidate)
    # 4 Updating of memory.
    c = keep * c + write * candidate
    # 5 Output.
    output = show * (c if without == "output_activation" else jnp.tanh(c))
    trace = {
        "input_gate": write,
        "forget_gate": keep,
        "candidate": candidate,
        "output_gate": show,
        "memory": c,
        "output": output,
    }
    return (output, c), trace


LSTM = Cell(_lstm, parts=4, memories=2, forget=1)

# What Greff et al. 2017 take away from it, one at a time. Gates that are taken away are
# open; "coupled": what is written over is what is not kept.
PARTS = ("input_gate", "forget_gate", "output_gate") + (
    "input_activation",
    "output_activation",
    "coupled",
)
WITHOUT = {
    f"lstm_{part}": LSTM._replace(step=functools.partial(_lstm, without=part))
    for part in PARTS
}
