"""What a run costs: its parameters, and the FLOPs of one update as XLA counts them."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dljax.contract import Source, Task
from dljax.train import update


class Parameters(NamedTuple):
    """rows: [name, shape, count], one an array. total: of all players."""

    rows: list[list[Any]]
    total: int

    @property
    def text(self) -> str:
        """A table for the terminal."""
        width = max((len(name) for name, _, _ in self.rows), default=0)
        return "\n".join(
            f"  {name:<{width}}  {'x'.join(map(str, shape)):>16}  {count:>12,}"
            for name, shape, count in self.rows
        )


def parameters(task: Task) -> Parameters:
    """Counts the parameters of a task, without making them."""
    params, _ = jax.eval_shape(task.init, jax.random.key(0))
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    rows = [
        [
            jax.tree_util.keystr(path, simple=True, separator="/"),
            list(leaf.shape),
            math.prod(leaf.shape),
        ]
        for path, leaf in leaves
    ]
    return Parameters(rows, sum(count for _, _, count in rows))


def flops(task: Task, source: Source, batch_size: int) -> float | None:
    """Floating-point operations of one update; None where XLA does not tell."""
    rows = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    state = jax.eval_shape(lambda: update.init(task, jax.random.key(0)))
    lowered = jax.jit(
        lambda s, arrays, r: update.update(task, s, source.gather(arrays, r))
    ).lower(state, source.arrays, rows)
    analysis = lowered.cost_analysis() or {}
    return analysis.get("flops")
