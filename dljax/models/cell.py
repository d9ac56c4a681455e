"""Recurrence: a cell, step after step, and the memory that it hands on.

What a step computes from its inputs and from the memory are two matrix products and a
*cell*: all that follows, and works on each neuron by itself. `rnn.py` and `lstm.py`
have the cells; here are the products, the loop over time, and a layer of it.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name

PRODUCTS = "products"  # what a step keeps for its gradient; the rest it computes again


class Cell(NamedTuple):
    """What a recurrent net does in a step, after its matrix products.

    step(x, h, memory) -> (memory, trace): x and h (b, parts * hidden) are what the
      input and the previous output say; memory is a tuple of (b, hidden), the output
      first; trace {name: (b, hidden)} has the gates and states by their names.
    parts: how many numbers for each neuron the products give.
    memories: how many arrays the memory has.
    forget: which of the parts is a forget gate, or None.
    memory_bias: whether the product with the previous output has a bias of its own;
      needed where the two products are not just added.
    """

    step: Callable[..., tuple[tuple[jax.Array, ...], dict[str, jax.Array]]]
    parts: int
    memories: int = 1
    forget: int | None = None
    memory_bias: bool = False


_watching: list[Callable[[dict[str, jax.Array]], None]] = []


@contextlib.contextmanager
def record_cells(record: Callable[[dict[str, jax.Array]], None]) -> Iterator[None]:
    """Inside, calls record({"input", and each gate and state: (t, b, hidden)}) after
    every layer that runs over time. Not for compiled functions.
    """
    _watching.append(record)
    try:
        yield
    finally:
        _watching.remove(record)


def forward(
    cell: Cell,
    weights: dict[str, jax.Array],
    x: jax.Array,
    memory: tuple[jax.Array, ...],
    *,
    mask: jax.Array | None = None,
    added: tuple[jax.Array, ...] | None = None,
    reset: int = 0,
    reverse: bool = False,
    trace: bool = False,
) -> Any:
    """Runs a cell over time.

    Args:
      weights: "inputs" (features, parts * hidden), "memory" (hidden, parts * hidden),
        "bias" (parts * hidden,) and, where the cell has one, "memory_bias".
      x: (t, b, features).
      memory: what it begins with, each (b, hidden).
      mask: (t, b), 0 where a step changes nothing, for padding; or None.
      added: (t, b, hidden) for each array of the memory, added to it after each step; a
        gradient with respect to zeros here is one with respect to the memory.
      reset: every so many steps, from where it begins, the memory is what it began
        with; 0: never.
      reverse: from the last step to the first.

    Returns:
      the outputs (t, b, hidden) and the memory after the last step; with `trace` also
      {name: (t, b, hidden)} of every gate and state.
    """
    bias, memory_bias = (
        weights[name].reshape(1, -1) if name in weights else 0
        for name in ("bias", "memory_bias")
    )

    padded, inputs = x, weights["inputs"]
    if x.shape[-1] == 1:  # XLA:CPU makes such a product a slow part of what follows
        padded = jnp.pad(x, ((0, 0), (0, 0), (0, 1)))
        inputs = jnp.pad(inputs, ((0, 1), (0, 0)))

    def step(memory, given):
        now, keep, more, anew = given
        before = memory
        if reset:
            memory = jax.tree.map(functools.partial(jnp.where, anew), begin, memory)
        said, h = now @ inputs, memory[0] @ weights["memory"]
        if not cell.memory_bias:  # the cell just adds the two: one to keep
            said, h = 0, said + h
        h = checkpoint_name(h, PRODUCTS)
        new, seen = cell.step(said + bias, h + memory_bias, memory)
        if keep is not None:
            new = tuple(
                jnp.where(keep[:, None] > 0, a, b)
                for a, b in zip(new, before, strict=True)
            )
        if more is not None:
            new = jax.tree.map(jnp.add, new, more)
        return new, (new[0], seen if trace or _watching else None)

    begin, anew = memory, None
    if reset:
        places = jnp.arange(len(x))
        anew = (places[::-1] if reverse else places) % reset == 0
    # To compute gates again for their gradient is faster than to fetch them.
    policy = jax.checkpoint_policies.save_only_these_names(PRODUCTS)
    step = jax.checkpoint(step, prevent_cse=False, policy=policy)
    steps = (padded, mask, added, anew)
    last, (outputs, seen) = jax.lax.scan(step, memory, steps, reverse=reverse)
    for record in _watching:
        record({"input": x, **seen})
    return (outputs, last, seen) if trace else (outputs, last)


class Layer(nn.Module):
    """A cell with its weights: x (t, b, features) -> what `forward` returns.

    orthogonal: whether each part of the memory's weights begins as a rotation (Saxe et
    al. 2014), else uniform within 1 / sqrt(hidden), as the inputs' do. forget_bias:
    where the bias of a forget gate begins (Jozefowicz et al. 2015); others begin at 0.
    """

    cell: Cell
    hidden: int
    orthogonal: bool = False
    forget_bias: float = 1.0
    reset: int = 0
    reverse: bool = False
    trace: bool = False

    @nn.compact
    def __call__(self, x, memory=None, mask=None):
        cell, hidden = self.cell, self.hidden
        uniform = _uniform(hidden)
        turned = _parts(nn.initializers.orthogonal(), cell.parts)
        width = cell.parts * hidden
        weights = {
            "inputs": self.param("inputs", uniform, (x.shape[-1], width)),
            "memory": self.param(
                "memory", turned if self.orthogonal else uniform, (hidden, width)
            ),
            "bias": self.param("bias", _bias(cell, self.forget_bias), (width,)),
        }
        if cell.memory_bias:
            weights["memory_bias"] = self.param(
                "memory_bias", nn.initializers.zeros, (width,)
            )
        weights = jax.tree.map(lambda w: w.astype(x.dtype), weights)
        if memory is None:
            memory = (jnp.zeros((x.shape[1], hidden), x.dtype),) * cell.memories
        return forward(
            cell,
            weights,
            x,
            memory,
            mask=mask,
            reset=self.reset,
            reverse=self.reverse,
            trace=self.trace,
        )


def _uniform(hidden):
    def draw(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -1, 1) / jnp.sqrt(hidden)

    return draw


def _parts(draw, parts):
    """Each part of the columns drawn by itself."""

    def draw_parts(key, shape, dtype=jnp.float32):
        rows, columns = shape
        keys = jax.random.split(key, parts)
        return jnp.concatenate([draw(k, (rows, columns // parts)) for k in keys], -1)

    return draw_parts


def _bias(cell, forget_bias):
    def draw(key, shape, dtype=jnp.float32):
        del key
        bias = jnp.zeros((cell.parts, shape[0] // cell.parts), dtype)
        if cell.forget is not None:
            bias = bias.at[cell.forget].set(forget_bias)
        return bias.reshape(shape)

    return draw
