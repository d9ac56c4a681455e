"""What flows through a network: the outputs of its layers, and what is between them.

A *layer* is a module that the top module calls itself and that has weights; another
choice can be given by paths ("Block_0/Conv_1"). Nothing in a network has to be changed.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from dljax.errors import UserError, nearest
from dljax.models.net import intercept
from dljax.types import Net


class _Call(NamedTuple):
    path: str
    input: Any
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
    calls, _ = _calls(net, params, model_state, images, layers)
    return {call.path: call.output for call in calls}


def between(
    net: Net,
    params: Any,
    model_state: Any,
    images: jax.Array,
    *,
    layers: Sequence[str] | None = None,
) -> dict[str, jax.Array]:
    """{place: values (b, ...)}: what each layer is given, and the network's output.

    The places are "input", then "before_PATH" of each later layer, and "output". Unlike
    `activations` these come after the activation and pool of the layer before, without
    which a layer's values are only a linear map of those before it.

    Raises:
      UserError: a path in `layers` is not called.
    """
    calls, output = _calls(net, params, model_state, images, layers)
    later = [call for call in calls[1:] if call.input is not None]
    values = {f"before_{call.path}": call.input for call in later}
    return {"input": images, **values, "output": output}


def replaced(
    net: Net, params: Any, model_state: Any, images: jax.Array, *, layer: str
) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """A layer's output, and the network's output as a function of it.

    Differentiated, the function tells what the layer's output does; given another
    array, it patches it.

    Raises:
      UserError: `layer` is not called, or more than once.
    """
    calls, _ = _calls(net, params, model_state, images, [layer])
    if len(calls) > 1:
        raise UserError(f"layer {layer}: is called {len(calls)} times; take another")

    def output(values):
        def change(path, inputs, output):
            del inputs
            return values if path == layer else output

        with intercept(change):
            return net.apply(params, model_state, images, key=None, train=False)[0]

    return calls[0].output, output


def _calls(net, params, model_state, images, layers) -> tuple[list[_Call], Any]:
    """The calls of the chosen layers in order, and the network's output."""
    chosen = set(params if layers is None else layers)
    paths: list[str] = []
    calls: list[_Call] = []

    def change(path, inputs, output):
        paths.append(path)
        if path in chosen:
            again = f"#{n}" if (n := paths.count(path)) > 1 else ""
            first = inputs[0] if inputs else None
            calls.append(_Call(path + again, first, output))
        return output

    with intercept(change):
        output, _ = net.apply(params, model_state, images, key=None, train=False)
    for missing in chosen - set(paths) if layers is not None else ():
        near = nearest(missing, paths)
        hint = f"did you mean {near}? " if near else ""
        raise UserError(
            f"layer {missing}: {hint}the net has {', '.join(dict.fromkeys(paths))}"
        )
    return calls, output
