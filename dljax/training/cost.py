"""The cost of a run: parameters, and FLOPs of one update as counted by XLA."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dljax.models.net import record_outputs
from dljax.training import update
from dljax.types import Net, Source, Task


class Parameters(NamedTuple):
    """The parameters of a task.

    Attributes:
      rows: one [name, shape, count] per array.
      total: number of parameters of all players.
    """

    rows: list[list[Any]]
    total: int


def format_table(rows: list[list[Any]]) -> str:
    """Formats `Parameters.rows` as a text table."""
    width = max((len(name) for name, _, _ in rows), default=0)
    return "\n".join(
        f"  {name:<{width}}  {'x'.join(map(str, shape)):>16}  {count:>12,}"
        for name, shape, count in rows
    )


def count_parameters(task: Task) -> Parameters:
    """Counts the parameters of a task without allocating them."""
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


def count_flops(task: Task, source: Source, batch_size: int) -> float | None:
    """Counts the FLOPs of one update; returns None if XLA does not count them.

    XLA counts the body of a loop once, for any number of iterations.
    """
    rows = jax.ShapeDtypeStruct((batch_size,), jnp.int32)
    state = jax.eval_shape(lambda: update.init(task, jax.random.key(0)))
    lowered = jax.jit(
        lambda s, arrays, r: update.update(task, s, source.gather(arrays, r))
    ).lower(state, source.arrays, rows)
    analysis = lowered.cost_analysis() or {}
    return analysis.get("flops")


class ForwardCost(NamedTuple):
    """The cost of one forward pass, per example; a loop's body counts once.

    Attributes:
      flops: floating-point operations as counted by XLA.
      activations: total size of the outputs of all layers.
      parameters: number of parameters.
    """

    flops: float
    activations: int
    parameters: int


def forward_cost(net: Net, example: Any) -> ForwardCost:
    """Measures the cost of `net.apply` in evaluation mode.

    Args:
      net: the network.
      example: one batch of inputs (b, ...), or its `jax.ShapeDtypeStruct`.
    """
    params, model_state = jax.eval_shape(net.init, jax.random.key(0), example)

    def apply(params, model_state, x):
        return net.apply(params, model_state, x, key=None, train=False)[0]

    sizes: dict[str, int] = {}

    def add(path, output):
        sizes[path] = output.size

    with record_outputs(add):  # while JAX traces `apply`
        lowered = jax.jit(apply).lower(params, model_state, example)
    analysis = lowered.cost_analysis() or {}
    # A module with submodules returns the output of its last layer: count that once.
    parents = {path.rpartition("/")[0] for path in sizes}
    activations = sum(
        size
        for path, size in sizes.items()
        if path not in parents and ("/" in path or path in params)
    )
    parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    n = example.shape[0]
    flops = analysis.get("flops", math.nan) / n
    return ForwardCost(flops, activations // n, parameters)
