"""What flows through a network: the outputs of its layers, and what is between them.

A *layer* is a module that the top module calls itself and that has weights; another
choice can be given by paths ("Block_0/Conv_1"). Nothing in a network has to be changed.
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
    """{path: output of the layer (b, ...)} in the order of computation.

    A layer that is called again has "#2", "#3", ... after its path. Outputs come before
    whatever plain functions (activations, pools) the network applies to them.

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
    """{name: values (b, ...)}: the input of each layer, and the network's output.

    The names are "input", then "before_PATH" of each later layer, and "output". Unlike
    `activations` the values come after the previous layer's activation and pool.

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
    """A layer's output, and the network's output as a function of it.

    The function's derivative is the gradient by the layer's output; called with another
    array it patches the activation.

    Raises:
      UserError: `layer` is not called, or more than once.
    """
    calls, _ = _record_calls(net, params, model_state, images, [layer])
    if len(calls) > 1:
        raise UserError(
            "layer-called-twice",
            f"layer {layer}: is called {len(calls)} times; take another",
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
        hint = f"did you mean {near}? " if near else ""
        raise UserError(
            "unknown-layer",
            f"layer {missing}: {hint}the net has {', '.join(dict.fromkeys(paths))}",
        )
    return calls, output
