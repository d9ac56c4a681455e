"""Regression: which numbers is it?"""

from collections.abc import Callable
from typing import Any

import jax

from dljax.contract import Metrics, Net, Task, Turn


def regression(
    net: Net,
    optimizer: Any,
    *,
    example: Any,
    probe: Callable[..., Metrics] | None = None,
) -> Task:
    """Mean squared error over batches {"x": (b, ...), "y": float (b, k)}.

    Args:
      net: x -> (b, k).
      example: one batch of x, for its shape.
      probe: as `Task.probe`.

    Measures `mse`, the mean over examples and numbers, on evaluation batches.
    """

    def init(key):
        params, stats = net.init(key, example)
        return {"net": params}, stats

    def errors(y, batch):
        return ((y - batch["y"]) ** 2).mean(-1)

    def loss(params, stats, batch, key, step):
        del step
        y, stats = net.apply(params["net"], stats, batch["x"], key=key, train=True)
        return errors(y, batch).mean(), ({}, stats)

    def predicted(params, stats, batch) -> jax.Array:
        return net.apply(params["net"], stats, batch["x"], key=None, train=False)[0]

    def metrics(params, stats, batch, key):
        del key
        weight = batch["weight"]
        found = errors(predicted(params, stats, batch), batch)
        return {"mse": ((found * weight).sum(), weight.sum())}

    def sample(params, stats, batch, key):
        del key
        return {"prediction": predicted(params, stats, batch)}

    return Task(init, (Turn("net", loss, optimizer),), metrics, sample, probe)
