"""How one run's pure functions are compiled for many runs and many devices.

Runs are seeds, or seeds of several levels of numeric factors: numbers that differ by
run are an array axis beside the seed (`hyper`).

  map    a compiled loop over the runs, one after another; the reference: a seed's bits
         are those of a run of its own
  cores  the same, the seeds spread over the devices (CPU: one device a core)
  vmap   the seeds as an array axis of every operation
  shard  jit over a mesh (seed, data): seeds over devices, what devices are left over
         share each batch
  pmap   the legacy map over devices, one seed on each

`update.py` says what is computed, this file where; nothing else knows of devices.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from dljax.errors import UserError
from dljax.ops.backend_forms import compiler_options
from dljax.training import update
from dljax.training.host_metrics import judged
from dljax.types import Source, State, Task


class Program(NamedTuple):
    """Compiled functions over a leading axis of runs (s, ...); `seeds`: of each run.

    A *block* is as many epochs as one call of `orders` permutes.

    init() -> State
    orders(state, block) -> the permutations of block number `block`
    advance(state, orders, offset, steps) -> (State, report): `steps` updates from step
      `offset` of the block on. The state given is used up. `report` has "metrics" of
      the last update, "alive" and "step", each (s,).
    evaluate(state, split) -> {name: (sum (s,), count (s,))}; on "test" with the probes
      and by the host's judge
    compile(state, split): compiles what `evaluate` runs, and runs nothing
    held: the splits that can be evaluated.
    measures(state, split) -> the names that `evaluate` gives; compiles nothing
    sample(state, n) -> n test examples a seed, and what it makes of them, (s, n, ...)
    take(tree) / put(tree): states, and other arrays with a seed axis, of the device as
      host arrays of exactly the seeds asked for, and back; the host's do not depend on
      how the seeds were spread.
    """

    seeds: tuple[int, ...]
    steps_per_epoch: int
    steps_per_block: int
    held: tuple[str, ...]
    init: Callable[[], State]
    orders: Callable[[State, int], Any]
    advance: Callable[[State, Any, int, int], tuple[State, Any]]
    evaluate: Callable[..., Any]
    compile: Callable[[State, str], Any]
    measures: Callable[[State, str], tuple[str, ...]]
    sample: Callable[[State, int], Any]
    take: Callable[[Any], Any]
    put: Callable[[Any], Any]


def _mapped(function: Callable, mapped: Sequence[bool]) -> Callable:
    """A compiled loop of `function` over the leading axis of its mapped arguments."""

    def run(*args):
        def one(mine):
            mine = iter(mine)
            return function(
                *(next(mine) if m else a for m, a in zip(mapped, args, strict=True))
            )

        return jax.lax.map(
            one, tuple(a for m, a in zip(mapped, args, strict=True) if m)
        )

    return run


def _lower(
    function: Callable,
    mapped: Sequence[bool],
    *,
    how: str,
    mesh: Any,
    donate: bool = False,
) -> Any:
    """Compiles `function` of one seed for a leading seed axis of `mapped` arguments."""
    used = (0,) if donate else ()
    axes = tuple(0 if m else None for m in mapped)
    if how == "pmap":
        devices = list(mesh.devices.flat)
        return jax.pmap(function, in_axes=axes, devices=devices, donate_argnums=used)
    jit = partial(jax.jit, donate_argnums=used, compiler_options=compiler_options())
    if how == "vmap":
        return jit(jax.vmap(function, in_axes=axes))
    specs = tuple(P("seed") if m else P() for m in mapped)
    if how == "shard":
        places = tuple(NamedSharding(mesh, spec) for spec in specs)
        return jit(
            jax.vmap(function, in_axes=axes, spmd_axis_name="seed"),
            in_shardings=places,
            out_shardings=NamedSharding(mesh, P("seed")),
        )
    looped = _mapped(function, mapped)
    if how == "cores":
        looped = jax.shard_map(
            looped, mesh=mesh, in_specs=specs, out_specs=P("seed"), check_vma=False
        )
    return jit(looped)


def _mesh(how: str, seeds: int, devices: Sequence[Any]) -> Any:
    if how == "shard":
        split = math.gcd(seeds, len(devices))
        shape = (split, len(devices) // split)
    elif how in ("cores", "pmap"):
        shape = (min(seeds, len(devices)), 1)
    else:
        shape = (1, 1)
    used = np.array(devices[: math.prod(shape)]).reshape(shape)
    return jax.sharding.Mesh(used, ("seed", "data"), axis_types=(AxisType.Auto,) * 2)


def program(
    task: Task | Callable[[Mapping[str, Any]], Task],
    source: Source,
    seeds: Sequence[int],
    *,
    how: str,
    batch_size: int,
    hyper: Mapping[str, Sequence[float]] | None = None,
    eval_batch_size: int = 500,
    devices: Sequence[Any] | None = None,
) -> Program:
    """Makes the programs of a trial.

    Args:
      task: the task, or a function of {name: number, traced} that makes it.
      seeds: of each run.
      hyper: {name: a number a run}, what `task` is then called with.
      how: map, cores, vmap, shard or pmap (`lowering.resolve` says which for auto).
      devices: all by default.

    Raises:
      UserError: the batch does not fit the data or the mesh, or pmap the devices.
    """
    make = (lambda numbers: task) if isinstance(task, Task) else task
    devices = list(devices or jax.devices())
    if how == "pmap" and len(seeds) > len(devices):
        raise UserError(
            f"--seeds_by=pmap: puts one seed on each device, and {len(seeds)} seeds "
            f"are more than {len(devices)} devices; use shard or vmap"
        )
    one = make({name: its[0] for name, its in (hyper or {}).items()})
    if one.split_batch and batch_size < (turns := len(one.turns)):
        raise UserError(
            f"--batch_size={batch_size}: smaller than the {turns} turns that share it"
        )
    mesh = _mesh(how, len(seeds), devices)
    count, shares = mesh.devices.shape
    if batch_size % shares:
        raise UserError(
            f"--batch_size={batch_size}: not divisible by the {shares} devices that "
            "share a batch"
        )
    if how == "shard":
        source = source._replace(gather=_constrained(source.gather, mesh))
    # cores: as many seeds on every device; the last is repeated, and dropped by take.
    missing = -len(seeds) % count
    padded = [*seeds, *[seeds[-1]] * missing]
    numbers = {
        name: np.array([*values, *[values[-1]] * missing], np.float32)
        for name, values in (hyper or {}).items()
    }
    parts = [source.split(seed) for seed in padded]
    train = np.stack([part["train"] for part in parts]).astype(np.int32)
    held = {
        name: update.batches([part[name] for part in parts], eval_batch_size, shares)
        for name in parts[0]
        if name != "train"
    }
    per_epoch = train.shape[1] // batch_size
    if per_epoch == 0:
        raise UserError(
            f"--batch_size={batch_size}: larger than the {train.shape[1]} training "
            "examples"
        )
    epochs = -(-256 // per_epoch)  # short epochs: several a dispatch

    def ordered(key, rows, first):
        return update.orders(source, key, rows, first, epochs)

    def advanced(state, numbers, orders, arrays, *which):
        state, metrics = update.advance(
            make(numbers), source, state, orders, arrays, *which, batch_size=batch_size
        )
        return state, {"metrics": metrics, "alive": state.alive, "step": state.step}

    lower = partial(_lower, how=how, mesh=mesh)
    init = lower(lambda key, numbers: update.init(make(numbers), key), (True, True))
    orders = lower(ordered, (True, True, False))
    advance = lower(advanced, (True, True, True, False, False, False), donate=True)

    def evaluated(probe, state, own, rows, arrays):
        return update.evaluate(make(own), source, state, rows, arrays, probe=probe)

    def sampled(state, own, rows, arrays):
        return update.sample(make(own), source, state, rows, arrays)

    over = (True, True, True, False)
    sample = lower(sampled, over)
    judge = one.sample_evaluator
    evaluate = [lower(partial(evaluated, test), over) for test in (False, True)]

    def measures(state, split):
        each = jax.vmap(partial(evaluated, split == "test"), in_axes=(0, 0, 0, None))
        found = jax.eval_shape(each, state, numbers, held[split], arrays)
        return (*found, *(judge.names if judge and split == "test" else ()))

    alone = how in ("map", "vmap")
    by_seed = devices[0] if alone else NamedSharding(mesh, P("seed"))
    shared = devices[0] if alone else NamedSharding(mesh, P())
    arrays = jax.device_put(source.arrays, shared)
    train, numbers = jax.device_put((train, numbers), by_seed)
    keys = jax.vmap(jax.random.key)(np.array(padded, np.uint32))

    def put(tree):
        padded_tree = jax.tree.map(
            lambda leaf: np.concatenate([leaf, *[leaf[-1:]] * missing]), tree
        )
        return _keys(jax.random.wrap_key_data, jax.device_put(padded_tree, by_seed))

    def take(tree):
        host = jax.device_get(_keys(jax.random.key_data, tree))
        return jax.tree.map(lambda leaf: leaf[: len(seeds)], host)

    def shown(state, n):
        mixed = [_mixed(part["test"])[:n] for part in parts]
        rows = update.batches(mixed, max(map(len, mixed)), 1)[:, 0]
        return sample(state, numbers, jax.device_put(rows, by_seed), arrays)

    def compiled(state, split):
        evaluate[split == "test"].lower(state, numbers, held[split], arrays).compile()

    def evaluated_on(state, split):
        found = evaluate[split == "test"](state, numbers, held[split], arrays)
        if split != "test" or judge is None:
            return found
        lengths = [
            len(part["test"][: judge.max_examples]) for part in parts[: len(seeds)]
        ]
        return {
            **found,
            **judged(judge, shown(state, judge.max_examples), seeds, lengths),
        }

    return Program(
        seeds=tuple(seeds),
        steps_per_epoch=per_epoch,
        steps_per_block=per_epoch * epochs,
        init=lambda: jax.device_put(init(keys, numbers), by_seed),
        orders=lambda state, block: orders(state.key, train, np.int32(block * epochs)),
        advance=lambda state, now, offset, steps: advance(
            state, numbers, now, arrays, np.int32(offset), np.int32(steps)
        ),
        held=tuple(held),
        evaluate=evaluated_on,
        compile=compiled,
        measures=measures,
        sample=shown,
        take=take,
        put=put,
    )


def _mixed(rows: np.ndarray) -> np.ndarray:
    """In an order that says nothing, always the same: files are often sorted."""
    return np.random.default_rng(0).permutation(rows)


def _keys(change: Callable, tree: Any) -> Any:
    """The tree with `change` applied to the key of every state in it."""
    return jax.tree.map(
        lambda s: s._replace(key=change(s.key)) if isinstance(s, State) else s,
        tree,
        is_leaf=lambda s: isinstance(s, State),
    )


def _constrained(gather: Callable, mesh: Any) -> Callable:
    """`gather`, each batch spread over the mesh's axis "data"."""

    def spread(arrays, rows):
        batch = gather(arrays, rows)
        return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, P("data")))

    return spread
