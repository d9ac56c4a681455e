"""Common parts of tasks that train one network: init, evaluation, metric sums."""

from collections.abc import Callable
from typing import Any

import jax

from dljax.types import Net, Tree


def init_net(net: Net, example: Any) -> Callable[[jax.Array], tuple[Any, Tree]]:
    """Returns the `Task.init` of one player, "net"; `example` is a batch of inputs."""

    def init(key):
        params, model_state = net.init(key, example)
        return {"net": params}, model_state

    return init


def predict(net: Net, params: Any, model_state: Tree, inputs: Any) -> Any:
    """Applies the player "net" in evaluation mode."""
    return net.apply(params["net"], model_state, inputs, key=None, train=False)[0]


def weighted_sum(values: Any, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The (sum, count) of values (b, ...) with weights of the same shape."""
    return (values * weight).sum(), weight.sum()
