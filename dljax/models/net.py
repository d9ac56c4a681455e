"""The one seam to Flax Linen: a module becomes two pure functions."""

from typing import Any

import jax
from flax import linen as nn

from dljax.contract import Net


def net(module: nn.Module) -> Net:
    """Turns a Linen module, called as `module(x, train=...)`, into a `Net`.

    Everything but the "params" collection is `stats`. The key given to `apply` becomes
    the stream "noise", from which layers draw.
    """

    def init(key, example):
        variables = dict(module.init({"params": key, "noise": key}, example))
        return variables.pop("params", {}), variables

    def apply(
        params: Any, stats: Any, x: Any, *, key: jax.Array | None, train: bool
    ) -> tuple[Any, Any]:
        variables = {"params": params, **stats}
        rngs = {} if key is None else {"noise": key}
        if not train:
            return module.apply(variables, x, rngs=rngs), stats
        y, changed = module.apply(
            variables, x, train=True, rngs=rngs, mutable=list(stats)
        )
        return y, dict(changed)

    return Net(init, apply)
