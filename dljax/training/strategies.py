"""Strategies: how a function of one run is compiled for many runs and devices.

map    a compiled loop over the runs, one after another; the reference: a run's bits
       are those of a run trained alone
cores  the same, the runs spread over the devices (CPU: one device a core)
vmap   the runs as an array axis of every operation
shard  jit over a mesh (seed, data): runs over devices; the remaining devices share
       each batch
pmap   the legacy map over devices, one run on each
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from dljax.errors import UserError
from dljax.ops.backend_forms import compiler_options

VMAP_LIMIT = 200_000_000  # parameters of all runs together, on an accelerator


def resolve(
    strategy: str, *, backend: str, devices: int, seeds: int, parameters: int
) -> str:
    """The strategy that "auto" stands for: a fixed table, never a timing."""
    if strategy != "auto":
        return strategy
    if backend == "cpu":
        return "cores" if devices > 1 and seeds > 1 else "map"
    if devices > 1:
        return "shard"
    return "vmap" if seeds * parameters <= VMAP_LIMIT else "map"


def kind(strategy: str, devices: int) -> str:
    """The part of a strategy that can change a run's bits: map and cores are equal."""
    same = {"cores": "map", "map": "map", "vmap": "vmap"}
    return same.get(strategy, f"{strategy}-{devices}")


def make_mesh(strategy: str, runs: int, devices: Sequence[Any]) -> jax.sharding.Mesh:
    """The mesh ("seed", "data") of a strategy; (1, 1) for map and vmap.

    Raises:
      UserError: pmap has more runs than devices.
    """
    if strategy == "pmap" and runs > len(devices):
        raise UserError(
            "too-few-devices",
            f"--seeds_by=pmap: puts one seed on each device, and {runs} seeds "
            f"are more than {len(devices)} devices; use shard or vmap",
        )
    if strategy == "shard":
        over_runs = math.gcd(runs, len(devices))
        shape = (over_runs, len(devices) // over_runs)
    elif strategy in ("cores", "pmap"):
        shape = (min(runs, len(devices)), 1)
    else:
        shape = (1, 1)
    used = np.array(devices[: math.prod(shape)]).reshape(shape)
    return jax.sharding.Mesh(used, ("seed", "data"), axis_types=(AxisType.Auto,) * 2)


def placements(strategy: str, mesh: jax.sharding.Mesh) -> tuple[Any, Any]:
    """Where arrays with a leading run axis go, and arrays that all runs use."""
    if strategy in ("map", "vmap"):
        device = mesh.devices.flat[0]
        return device, device
    return NamedSharding(mesh, P("seed")), NamedSharding(mesh, P())


def jit_over_runs(
    function: Callable,
    in_axes: Sequence[int | None],
    *,
    strategy: str,
    mesh: jax.sharding.Mesh,
    donate: bool = False,
) -> Any:
    """Compiles a function of one run for a leading run axis.

    Args:
      in_axes: 0 for an argument with a run axis, None for one that all runs use.
      donate: the first argument's buffers are used up.
    """
    donate_argnums = (0,) if donate else ()
    axes = tuple(in_axes)
    if strategy == "pmap":
        return jax.pmap(
            function,
            in_axes=axes,
            devices=list(mesh.devices.flat),
            donate_argnums=donate_argnums,
        )
    jit = partial(
        jax.jit, donate_argnums=donate_argnums, compiler_options=compiler_options()
    )
    if strategy == "vmap":
        return jit(jax.vmap(function, in_axes=axes))
    specs = tuple(P() if axis is None else P("seed") for axis in axes)
    if strategy == "shard":
        return jit(
            jax.vmap(function, in_axes=axes, spmd_axis_name="seed"),
            in_shardings=tuple(NamedSharding(mesh, spec) for spec in specs),
            out_shardings=NamedSharding(mesh, P("seed")),
        )
    looped = _map_over_runs(function, axes)
    if strategy == "cores":
        looped = jax.shard_map(
            looped, mesh=mesh, in_specs=specs, out_specs=P("seed"), check_vma=False
        )
    return jit(looped)


def _map_over_runs(function: Callable, in_axes: Sequence[int | None]) -> Callable:
    """`jax.vmap`'s signature for leading axes, computed by `jax.lax.map`."""

    def run(*args):
        def function_of_one_run(mapped):
            values = iter(mapped)
            return function(
                *(
                    arg if axis is None else next(values)
                    for axis, arg in zip(in_axes, args, strict=True)
                )
            )

        return jax.lax.map(
            function_of_one_run,
            tuple(
                arg for axis, arg in zip(in_axes, args, strict=True) if axis is not None
            ),
        )

    return run


def shard_batches(gather: Callable, mesh: jax.sharding.Mesh) -> Callable:
    """A `Source.gather` whose batches are spread over the mesh's "data" axis."""

    def gather_sharded(arrays, rows):
        batch = gather(arrays, rows)
        return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, P("data")))

    return gather_sharded
