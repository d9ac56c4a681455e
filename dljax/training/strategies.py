"""Strategies: how a function of one run is compiled for many runs and devices.

map    a compiled loop over the runs, one after another; the reference: the bits of a
       run are those of the run trained alone
cores  as map, with the runs distributed over devices (on CPU one device per core)
vmap   the runs are an array axis of each operation
shard  jit over a mesh (seed, data): runs over devices; the remaining devices share
       each batch
pmap   the legacy map over devices, one run per device
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

VMAP_LIMIT = 200_000_000  # parameters of all runs together; on accelerators


def resolve(
    strategy: str, *, backend: str, devices: int, seeds: int, parameters: int
) -> str:
    """Returns the strategy that "auto" stands for: by a fixed table, not by timing.

    Args:
      strategy: a strategy, returned as it is, or "auto".
      backend: "cpu", "gpu" or "tpu".
      devices, seeds: number of devices and of runs.
      parameters: number of parameters of one run.
    """
    if strategy != "auto":
        return strategy
    if backend == "cpu":
        return "cores" if devices > 1 and seeds > 1 else "map"
    if devices > 1:
        return "shard"
    return "vmap" if seeds * parameters <= VMAP_LIMIT else "map"


def kind(strategy: str, devices: int) -> str:
    """The part of a strategy that can change a run's bits.

    "map" and "cores" give equal bits.
    """
    same = {"cores": "map", "map": "map", "vmap": "vmap"}
    return same.get(strategy, f"{strategy}-{devices}")


def make_mesh(strategy: str, runs: int, devices: Sequence[Any]) -> jax.sharding.Mesh:
    """Returns the mesh ("seed", "data") of a strategy; (1, 1) for "map" and "vmap".

    Raises:
      UserError: "pmap" with more runs than devices.
    """
    if strategy == "pmap" and runs > len(devices):
        raise UserError(
            "too-few-devices",
            f"--seeds_by=pmap: needs one device per seed, and there are {runs} seeds "
            f"and {len(devices)} devices; give --seeds_by=shard or --seeds_by=vmap",
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
    """Placements of arrays with a leading run axis, and of arrays shared by runs."""
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
      function: of one run.
      in_axes: 0 for an argument with a run axis, None for an argument shared by all
        runs.
      strategy: see this module's docstring.
      mesh: see `make_mesh`.
      donate: donates the buffers of the first argument.
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
    """As `jax.vmap` over leading axes, computed by `jax.lax.map`."""

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
    """Wraps a `Source.gather`: batches are sharded over the mesh's "data" axis."""

    def gather_sharded(arrays, rows):
        batch = gather(arrays, rows)
        return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, P("data")))

    return gather_sharded
