"""Activations of a network, recorded and replaced without changes to the network.

A *layer* is by default a top-level submodule with weights; `layers` selects other
modules by their paths, for example "Block_0/Conv_1".
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from dljax.errors import UserError, closest_match
from dljax.models.net import intercept
from dljax.types import Net


class _Call(NamedTuple):
    path: str
    inputs: Any
    output: Any


def activations(
    net: Net,
    params: Any,
    model_state: Any,
    images: jax.Array,
    *,
    layers: Sequence[str] | None = None,
) -> dict[str, jax.Array]:
    """Outputs of layers in the order of computation: {path: (b, ...)}.

    A layer that is called again has "#2", "#3", ... appended to its path. Activation
    functions and pooling that the network applies to an output are not included.

    Args:
      net, params, model_state: the network.
      images: one batch of inputs (b, ...).
      layers: paths of modules; by default the layers.

    Raises:
      UserError: a path in `layers` is not called.
    """
    calls, _ = _record_calls(net, params, model_state, images, layers)
    return {call.path: call.output for call in calls}


def layer_inputs(
    net: Net,
    params: Any,
    model_state: Any,
    images: jax.Array,
    *,
    layers: Sequence[str] | None = None,
) -> dict[str, jax.Array]:
    """Inputs of layers and the network's output: {name: (b, ...)}.

    The names are "input", "before_PATH" for each later layer, and "output". Unlike in
    `activations`, activation functions and pooling of the previous layer are included.

    Args:
      net, params, model_state: the network.
      images: one batch of inputs (b, ...).
      layers: paths of modules; by default the layers.

    Raises:
      UserError: a path in `layers` is not called.
    """
    calls, output = _record_calls(net, params, model_state, images, layers)
    later = [call for call in calls[1:] if call.inputs is not None]
    values = {f"before_{call.path}": call.inputs for call in later}
    return {"input": images, **values, "output": output}


def as_function_of_layer(
    net: Net, params: Any, model_state: Any, images: jax.Array, *, layer: str
) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """A layer's output, and the network's output as a function of the layer's output.

    The function's gradient is the gradient with respect to the layer's output. Called
    with another array, the function patches the activation.

    Args:
      net, params, model_state: the network.
      images: one batch of inputs (b, ...).
      layer: path of a module.

    Raises:
      UserError: `layer` is not called, or more than once.
    """
    calls, _ = _record_calls(net, params, model_state, images, [layer])
    if len(calls) > 1:
        raise UserError(
            "layer-called-twice",
            f"layer {layer}: is called {len(calls)} times; give a layer that is called "
            "once",
        )

    def net_output(values):
        def replace(path, inputs, output):
            del inputs
            return values if path == layer else output

        with intercept(replace):
            return net.apply(params, model_state, images, key=None, train=False)[0]

    return calls[0].output, net_output


def _record_calls(net, params, model_state, images, layers) -> tuple[list[_Call], Any]:
    """The calls of the chosen layers in order, and the network's output."""
    chosen = set(params if layers is None else layers)
    paths: list[str] = []
    calls: list[_Call] = []

    def record(path, inputs, output):
        paths.append(path)
        if path in chosen:
            suffix = f"#{n}" if (n := paths.count(path)) > 1 else ""
            first = inputs[0] if inputs else None
            calls.append(_Call(path + suffix, first, output))
        return output

    with intercept(record):
        output, _ = net.apply(params, model_state, images, key=None, train=False)
    for missing in chosen - set(paths) if layers is not None else ():
        near = closest_match(missing, paths)
        hint = f"; did you mean {near}?" if near else ""
        raise UserError(
            "unknown-layer",
            f"layer {missing}: not in the net, which has "
            f"{', '.join(dict.fromkeys(paths))}{hint}",
        )
    return calls, output
