"""Conversion of a Flax Linen module to a `Net`, and transformations of a `Net`."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from dljax.types import Net


def net(module: nn.Module) -> Net:
    """Converts a Linen module, called as `module(x, train=...)`, to a `Net`.

    `model_state` holds all collections but "params". The key of `Net.apply` is the RNG
    stream "noise" of `make_rng`.
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
        y, model_state = module.apply(
            variables, x, train=True, rngs=rngs, mutable=list(model_state)
        )
        return y, dict(model_state)

    return Net(init, apply)


def is_kernel(path: Any, leaf: Any) -> bool:
    """Whether a leaf of the params is a kernel, which multiplies the inputs of a layer.

    A kernel has two or more axes and is not named "bias" or "scale". (A scan over
    layers gives biases and scales a second axis.)

    Args:
      path: the leaf's path, as in `jax.tree_util.tree_map_with_path`.
      leaf: the array.
    """
    vectors = ("['bias']", "['scale']")
    return leaf.ndim > 1 and not jax.tree_util.keystr(path).endswith(vectors)


def with_compute_dtype(network: Net, dtype: str) -> Net:
    """Returns the net computed in `dtype`; weights, states and outputs stay float32.

    Weights and inputs are cast within the forward pass.

    Args:
      dtype: "float32", which returns the same net, or "bfloat16".
    """
    if dtype == "float32":
        return network

    def cast(tree, to):
        def cast_leaf(leaf):
            floating = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
            return jnp.asarray(leaf, to) if floating else leaf

        return jax.tree.map(cast_leaf, tree)

    def apply(params, model_state, x, *, key, train):
        y, model_state = network.apply(
            cast(params, dtype), model_state, cast(x, dtype), key=key, train=train
        )
        return cast(y, jnp.float32), cast(model_state, jnp.float32)

    def generate(params, model_state, x, **options):
        assert network.generate is not None
        return network.generate(
            cast(params, dtype), model_state, cast(x, dtype), **options
        )

    return Net(network.init, apply, generate if network.generate else None)


def map_inputs(network: Net, transform: Callable[[Any], Any]) -> Net:
    """Returns the net that computes network(transform(x))."""

    def init(key, example):
        return network.init(key, transform(example))

    def apply(params, model_state, x, *, key, train):
        return network.apply(params, model_state, transform(x), key=key, train=train)

    def generate(params, model_state, x, **options):
        assert network.generate is not None
        return network.generate(params, model_state, transform(x), **options)

    return Net(init, apply, generate if network.generate else None)


def freeze(network: Net, *, prefix: str) -> Net:
    """Freezes top-level modules whose names start with `prefix`: no gradients.

    `freeze(network, prefix="Conv")` keeps Conv_0, Conv_1, ... at their initial weights.
    """

    def apply(params, model_state, x, *, key, train):
        params = {
            name: jax.lax.stop_gradient(tree) if name.startswith(prefix) else tree
            for name, tree in params.items()
        }
        return network.apply(params, model_state, x, key=key, train=train)

    return Net(network.init, apply)


@contextlib.contextmanager
def intercept(replace: Callable[[str, tuple, Any], Any]) -> Iterator[None]:
    """Replaces the output of every module that is called within the context.

    Args:
      replace: (path, inputs, output) -> the module's new output. The path of the top
        module is its class name.
    """

    def interceptor(call, args, kwargs, context):
        output = call(*args, **kwargs)
        if context.method_name != "__call__":
            return output
        path = "/".join(context.module.path) or type(context.module).__name__
        return replace(path, args, output)

    with nn.intercept_methods(interceptor):
        yield


def record_outputs(
    record: Callable[[str, Any], None],
) -> contextlib.AbstractContextManager[None]:
    """Calls record(path, output) after each call of a module within the context.

    Paths are those of `intercept`.
    """

    def replace(path, inputs, output):
        del inputs
        record(path, output)
        return output

    return intercept(replace)
