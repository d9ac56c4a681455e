"""Recurrent cells unrolled over time, and a recurrent layer.

One step is two matrix products, the input projection and the hidden projection,
followed by an elementwise *cell*. The cells are in `rnn.py` and `lstm.py`; this file
has the products, the loop over time, and the layer.

Shapes: T steps, B examples, F features, H hidden units, G = gates x H.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name

PROJECTIONS = "projections"  # saved for the backward pass; the rest is recomputed


class Cell(NamedTuple):
    """The elementwise part of a recurrent step.

    Attributes:
      step: (x_BG, h_BG, carry) -> (carry, trace). x_BG and h_BG are the input and the
        hidden projection; carry is a tuple of arrays (b, hidden), the output first;
        trace is {name of a gate or state: (b, hidden)}.
      num_gates: number of blocks of `hidden` columns in a projection.
      num_states: number of arrays in the carry.
      forget_gate: index of the forget gate among the gates, or None.
      recurrent_bias: whether the hidden projection has a separate bias, for cells that
        do not just add the two projections.
    """

    step: Callable[..., tuple[tuple[jax.Array, ...], dict[str, jax.Array]]]
    num_gates: int
    num_states: int = 1
    forget_gate: int | None = None
    recurrent_bias: bool = False


_recorders: list[Callable[[dict[str, jax.Array]], None]] = []


@contextlib.contextmanager
def record_cells(record: Callable[[dict[str, jax.Array]], None]) -> Iterator[None]:
    """Records the gates and states of every layer that is unrolled within the context.

    Not for compiled functions.

    Args:
      record: called after each layer with {"input": (t, b, features), name of a gate or
        state: (t, b, hidden)}.
    """
    _recorders.append(record)
    try:
        yield
    finally:
        _recorders.remove(record)


def unroll(
    cell: Cell,
    weights: dict[str, jax.Array],
    x_TBF: jax.Array,
    carry: tuple[jax.Array, ...],
    *,
    mask_TB: jax.Array | None = None,
    offsets: tuple[jax.Array, ...] | None = None,
    reset_every: int = 0,
    reverse: bool = False,
    trace: bool = False,
) -> Any:
    """Runs a cell over time.

    Args:
      cell: the cell.
      weights: "input_kernel" (features, gates), "recurrent_kernel" (hidden, gates),
        "bias" (gates,) and, if `cell.recurrent_bias`, "recurrent_bias" (gates,).
      x_TBF: inputs.
      carry: the initial carry, arrays (b, hidden).
      mask_TB: 0 at padding, where a step leaves the carry unchanged; or None.
      offsets: one array (t, b, hidden) per array of the carry, added to the carry after
        each step; or None. The gradient with respect to zero offsets is the gradient
        with respect to the carry.
      reset_every: resets the carry to the initial carry every so many steps; 0: never.
      reverse: runs from the last step to the first.
      trace: also returns the gates and states.

    Returns:
      outputs (t, b, hidden) and the final carry; with `trace` also {name of a gate or
      state: (t, b, hidden)}.
    """
    bias, recurrent_bias = (
        weights[name].reshape(1, -1) if name in weights else 0
        for name in ("bias", "recurrent_bias")
    )
    inputs_TBF, kernel_FG = _at_least_two_features(x_TBF, weights["input_kernel"])
    initial, with_trace = carry, trace or bool(_recorders)

    def step(carry, now):
        x_BF, mask_B, offset, is_reset = now
        previous = carry
        if reset_every:
            carry = jax.tree.map(functools.partial(jnp.where, is_reset), initial, carry)
        x_BG, h_BG = x_BF @ kernel_FG, carry[0] @ weights["recurrent_kernel"]
        if not cell.recurrent_bias:  # the cell adds the projections: save one sum
            x_BG, h_BG = 0, x_BG + h_BG
        h_BG = checkpoint_name(h_BG, PROJECTIONS)
        new, gates = cell.step(x_BG + bias, h_BG + recurrent_bias, carry)
        if mask_B is not None:
            new = tuple(
                jnp.where(mask_B[:, None] > 0, a, b)
                for a, b in zip(new, previous, strict=True)
            )
        if offset is not None:
            new = jax.tree.map(jnp.add, new, offset)
        return new, (new[0], gates if with_trace else None)

    is_reset_T = _resets(len(x_TBF), reset_every, reverse) if reset_every else None
    # Recomputing the gates in the backward pass is faster than loading them.
    policy = jax.checkpoint_policies.save_only_these_names(PROJECTIONS)
    step = jax.checkpoint(step, prevent_cse=False, policy=policy)
    xs = (inputs_TBF, mask_TB, offsets, is_reset_T)
    last, (outputs_TBH, gates) = jax.lax.scan(step, carry, xs, reverse=reverse)
    for record in _recorders:
        record({"input": x_TBF, **gates})
    return (outputs_TBH, last, gates) if trace else (outputs_TBH, last)


def _at_least_two_features(x_TBF, kernel_FG):
    """Pads a single feature with a second one of zeros.

    XLA:CPU fuses the product with a single feature into slow elementwise loops.
    """
    if x_TBF.shape[-1] > 1:
        return x_TBF, kernel_FG
    x_TBF = jnp.pad(x_TBF, ((0, 0), (0, 0), (0, 1)))
    return x_TBF, jnp.pad(kernel_FG, ((0, 1), (0, 0)))


def _resets(steps, reset_every, reverse):
    """The steps that start from the initial carry, bool (t,)."""
    steps_T = jnp.arange(steps)
    return (steps_T[::-1] if reverse else steps_T) % reset_every == 0


class RecurrentLayer(nn.Module):
    """A cell with its weights: x (t, b, features) -> the results of `unroll`.

    Attributes:
      cell: the cell.
      hidden: hidden units.
      orthogonal: initializes the recurrent kernel of each gate as a random orthogonal
        matrix (Saxe et al. 2014); else uniformly within 1 / sqrt(hidden), like the
        input kernel.
      forget_bias: initial bias of the forget gate (Jozefowicz et al. 2015); all other
        biases start at 0.
      reset_every, reverse, trace: see `unroll`.
    """

    cell: Cell
    hidden: int
    orthogonal: bool = False
    forget_bias: float = 1.0
    reset_every: int = 0
    reverse: bool = False
    trace: bool = False

    @nn.compact
    def __call__(self, x_TBF, carry=None, mask_TB=None):
        cell, hidden = self.cell, self.hidden
        features, width = x_TBF.shape[-1], cell.num_gates * hidden
        uniform = _uniform_init(hidden)
        orthogonal = _init_by_gate(nn.initializers.orthogonal(), cell.num_gates)
        recurrent = orthogonal if self.orthogonal else uniform
        inits: dict[str, Any] = {
            "input_kernel": (uniform, (features, width)),
            "recurrent_kernel": (recurrent, (hidden, width)),
            "bias": (_bias_init(cell, self.forget_bias), (width,)),
        }
        if cell.recurrent_bias:
            inits["recurrent_bias"] = (nn.initializers.zeros, (width,))
        weights = {
            name: self.param(name, init, shape).astype(x_TBF.dtype)
            for name, (init, shape) in inits.items()
        }
        if carry is None:
            zeros_BH = jnp.zeros((x_TBF.shape[1], hidden), x_TBF.dtype)
            carry = (zeros_BH,) * cell.num_states
        return unroll(
            cell,
            weights,
            x_TBF,
            carry,
            mask_TB=mask_TB,
            reset_every=self.reset_every,
            reverse=self.reverse,
            trace=self.trace,
        )


def _uniform_init(hidden):
    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -1, 1) / jnp.sqrt(hidden)

    return init


def _init_by_gate(init, num_gates):
    """Initializes the columns of each gate separately."""

    def init_gates(key, shape, dtype=jnp.float32):
        rows, columns = shape
        keys = jax.random.split(key, num_gates)
        size = rows, columns // num_gates
        return jnp.concatenate([init(k, size, dtype) for k in keys], -1)

    return init_gates


def _bias_init(cell, forget_bias):
    def init(key, shape, dtype=jnp.float32):
        del key
        bias = jnp.zeros((cell.num_gates, shape[0] // cell.num_gates), dtype)
        if cell.forget_gate is not None:
            bias = bias.at[cell.forget_gate].set(forget_bias)
        return bias.reshape(shape)

    return init
