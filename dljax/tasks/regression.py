"""Regression by least squares."""

from collections.abc import Callable
from typing import Any

from dljax.tasks.single_net import init_net, predict, weighted_sum
from dljax.types import Metrics, Net, Task, Turn


def regression(
    net: Net,
    optimizer: Any,
    *,
    example: Any,
    final_metrics: Callable[..., Metrics] | None = None,
) -> Task:
    """Minimizes the mean squared error over batches {"x": (b, ...), "y": float (b, k)}.

    Metrics: `mse`, the mean over examples and targets.

    Args:
      net: x -> (b, k).
      optimizer: an Optax transformation.
      example: one batch of x, for its shape.
      final_metrics: see `Task.final_metrics`.
    """

    def squared_errors(prediction, batch):
        return ((prediction - batch["y"]) ** 2).mean(-1)

    def loss(params, model_state, batch, key, step):
        del step
        prediction, model_state = net.apply(
            params["net"], model_state, batch["x"], key=key, train=True
        )
        return squared_errors(prediction, batch).mean(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        del key
        prediction = predict(net, params, model_state, batch["x"])
        return {"mse": weighted_sum(squared_errors(prediction, batch), batch["weight"])}

    def sample(params, model_state, batch, key):
        del key
        return {"prediction": predict(net, params, model_state, batch["x"])}

    turns = (Turn("net", loss, optimizer),)
    return Task(init_net(net, example), turns, metrics, sample, final_metrics)
