"""What tasks that train one network share: init, evaluation, means over examples."""

from collections.abc import Callable
from typing import Any

import jax

from dljax.types import Net, Tree


def init_net(net: Net, example: Any) -> Callable[[jax.Array], tuple[Any, Tree]]:
    """A `Task.init` of a game with the one player "net"; `example` is one batch."""

    def init(key):
        params, model_state = net.init(key, example)
        return {"net": params}, model_state

    return init


def predict(net: Net, params: Any, model_state: Tree, inputs: Any) -> Any:
    """The output of the player "net" in evaluation mode."""
    return net.apply(params["net"], model_state, inputs, key=None, train=False)[0]


def weighted_sum(values: Any, weight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(sum, count) of values (b, ...) by weights of the same shape: one metric."""
    return (values * weight).sum(), weight.sum()
