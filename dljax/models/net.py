"""The one seam to Flax Linen: a module becomes two pure functions."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dljax.types import Net


def net(module: nn.Module) -> Net:
    """Turns a Linen module, called as `module(x, train=...)`, into a `Net`.

    Everything but the "params" collection is `model_state`. The key given to `apply`
    becomes
    the stream "noise", from which layers draw.
    """

    def init(key, example):
        variables = dict(module.init({"params": key, "noise": key}, example))
        return variables.pop("params", {}), variables

    def apply(
        params: Any, model_state: Any, x: Any, *, key: jax.Array | None, train: bool
    ) -> tuple[Any, Any]:
        variables = {"params": params, **model_state}
        rngs = {} if key is None else {"noise": key}
        if not train:
            return module.apply(variables, x, rngs=rngs), model_state
        y, changed = module.apply(
            variables, x, train=True, rngs=rngs, mutable=list(model_state)
        )
        return y, dict(changed)

    return Net(init, apply)


def is_kernel(path: Any, leaf: Any) -> bool:
    """Whether an array, by its path in the params, is what a layer multiplies by: those
    of two or more axes, but biases and scales, which a scan over layers gives two.
    """
    vectors = ("['bias']", "['scale']")
    return leaf.ndim > 1 and not jax.tree_util.keystr(path).endswith(vectors)


def compute(network: Net, dtype: str) -> Net:
    """The same net, computed in `dtype`: "float32" as it is, "bfloat16" in half of it.

    Weights, model_state and outputs stay float32; weights and inputs are cast inside.
    """
    if dtype == "float32":
        return network

    def cast(tree, to):
        def one(leaf):
            floating = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
            return jnp.asarray(leaf, to) if floating else leaf

        return jax.tree.map(one, tree)

    def apply(params, model_state, x, *, key, train):
        y, model_state = network.apply(
            cast(params, dtype), model_state, cast(x, dtype), key=key, train=train
        )
        return cast(y, jnp.float32), cast(model_state, jnp.float32)

    def generate(params, model_state, x, **options):
        assert network.generate is not None
        its = cast(params, dtype), model_state, cast(x, dtype)
        return network.generate(*its, **options)

    return Net(network.init, apply, generate if network.generate else None)


def of_input(network: Net, change: Callable[[Any], Any]) -> Net:
    """The same net, of change(x) instead of x."""

    def init(key, example):
        return network.init(key, change(example))

    def apply(params, model_state, x, *, key, train):
        return network.apply(params, model_state, change(x), key=key, train=train)

    def generate(params, model_state, x, **options):
        assert network.generate is not None
        return network.generate(params, model_state, change(x), **options)

    return Net(init, apply, generate if network.generate else None)


@contextlib.contextmanager
def intercept(change: Callable[[str, tuple, Any], Any]) -> Iterator[None]:
    """Inside, each module's call gives change(its path, its inputs, its output).

    The path of a net's top module is its class's name.
    """

    def interceptor(call, args, kwargs, context):
        output = call(*args, **kwargs)
        if context.method_name != "__call__":
            return output
        path = "/".join(context.module.path) or type(context.module).__name__
        return change(path, args, output)

    with nn.intercept_methods(interceptor):
        yield


def watch(
    record: Callable[[str, Any], None],
) -> contextlib.AbstractContextManager[None]:
    """Inside, calls record(path of the module, its output) after each module's call."""

    def change(path, inputs, output):
        del inputs
        record(path, output)
        return output

    return intercept(change)


def frozen(net: Net, *, layers: str) -> Net:
    """The same net, where what its top layers named `layers`... hold has no gradient.

    `frozen(net, layers="Conv")` keeps Conv_0, Conv_1, ... as they were drawn.
    """

    def apply(params, model_state, x, *, key, train):
        held = {
            name: jax.lax.stop_gradient(part) if name.startswith(layers) else part
            for name, part in params.items()
        }
        return net.apply(held, model_state, x, key=key, train=train)

    return Net(net.init, apply)
