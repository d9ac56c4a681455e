"""Regression: which numbers is it?"""

from collections.abc import Callable
from typing import Any

import jax

from dljax.types import Metrics, Net, Task, Turn


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
      probe: as `Task.probes`.

    Measures `mse`, the mean over examples and numbers, on evaluation batches.
    """

    def init(key):
        params, model_state = net.init(key, example)
        return {"net": params}, model_state

    def errors(y, batch):
        return ((y - batch["y"]) ** 2).mean(-1)

    def loss(params, model_state, batch, key, step):
        del step
        y, model_state = net.apply(
            params["net"], model_state, batch["x"], key=key, train=True
        )
        return errors(y, batch).mean(), ({}, model_state)

    def predicted(params, model_state, batch) -> jax.Array:
        return net.apply(params["net"], model_state, batch["x"], key=None, train=False)[
            0
        ]

    def metrics(params, model_state, batch, key):
        del key
        weight = batch["weight"]
        found = errors(predicted(params, model_state, batch), batch)
        return {"mse": ((found * weight).sum(), weight.sum())}

    def sample(params, model_state, batch, key):
        del key
        return {"prediction": predicted(params, model_state, batch)}

    return Task(init, (Turn("net", loss, optimizer),), metrics, sample, probe)
