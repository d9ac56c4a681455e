"""Optimisers as optax chains: schedule, clipping, weight decay, accumulation, EMA."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dljax.models.net import is_kernel
from dljax.ops.backend_forms import update_where


def warmup_cosine(
    peak: Any, steps: int, *, warmup: int = 0, end: float = 0.0
) -> optax.Schedule:
    """Linear from 0 to `peak` over `warmup` updates, then a half cosine to end * peak.

    `peak` may be traced. Source: Loshchilov and Hutter 2017.
    """

    def schedule(step):
        rise = (step + 1) / max(warmup, 1)
        share = jnp.clip((step - warmup) / max(steps - warmup, 1), 0.0, 1.0)
        fall = end + (1 - end) * 0.5 * (1 + jnp.cos(jnp.pi * share))
        return peak * jnp.where(step < warmup, rise, fall)

    return schedule


class ScheduledState(NamedTuple):
    """updates: int32, how many are done. learning_rate: of the last, float32."""

    updates: jax.Array
    learning_rate: jax.Array


def scale_by_learning_rate(schedule: optax.Schedule | float) -> Any:
    """Multiplies by -learning_rate, and keeps it in the state for the log."""
    rate = schedule if callable(schedule) else lambda _: jnp.float32(schedule)

    def init(params):
        del params
        return ScheduledState(jnp.zeros([], jnp.int32), jnp.zeros([], jnp.float32))

    def update(updates, state, params=None):
        del params
        now = jnp.asarray(rate(state.updates), jnp.float32)
        updates = jax.tree.map(lambda u: (-now * u).astype(u.dtype), updates)
        return updates, ScheduledState(state.updates + 1, now)

    return optax.GradientTransformation(init, update)


class AverageState(NamedTuple):
    """The averages of one player's parameters and of the run's model_state."""

    updates: jax.Array
    params: Any
    model_state: Any


def average(decay: float) -> optax.GradientTransformationExtraArgs:
    """Exponential moving average of the weights and model_state; the last link of a
    chain.

    avg <- d * avg + (1 - d) * new with d = min(decay, (1 + t) / (10 + t)), which
    forgets the start early. (`optax.ema` averages updates, which is another thing.)
    """

    def init(params):
        return AverageState(jnp.zeros([], jnp.int32), params, {})

    def update(updates, state, params=None, *, model_state=None, **extra):
        del extra
        d = jnp.minimum(decay, (1 + state.updates) / (10 + state.updates))
        new = optax.apply_updates(params, updates)

        def mix(old, now):
            return jax.tree.map(
                lambda a, b: (d * a + (1 - d) * b).astype(a.dtype), old, now
            )

        return updates, AverageState(
            state.updates + 1,
            mix(state.params, new),
            mix(state.model_state, model_state),
        )

    return optax.GradientTransformationExtraArgs(init, update)


class AccumulatedState(NamedTuple):
    """steps: int32, how many gradients are in the sum `total`. inner: of the chain."""

    steps: jax.Array
    total: Any
    inner: Any


def accumulated(
    chain: optax.GradientTransformationExtraArgs, steps: int
) -> optax.GradientTransformationExtraArgs:
    """`chain` on the mean of every `steps` gradients; in between nothing moves.

    A sum, divided once: `optax.MultiSteps` keeps a running mean, whose last bits depend
    on how XLA fuses it, and so on what else is in the program.
    """

    def init(params):
        zeros = jax.tree.map(jnp.zeros_like, params)
        return AccumulatedState(jnp.zeros([], jnp.int32), zeros, chain.init(params))

    def update(updates, state, params=None, **extra):
        total = jax.tree.map(jnp.add, state.total, updates)

        def move():
            mean = jax.tree.map(lambda leaf: leaf / steps, total)
            changes, inner = chain.update(mean, state.inner, params, **extra)
            zeros = jax.tree.map(jnp.zeros_like, total)
            return changes, AccumulatedState(jnp.zeros([], jnp.int32), zeros, inner)

        still = jax.tree.map(jnp.zeros_like, updates)
        waiting = still, AccumulatedState(state.steps + 1, total, state.inner)
        return update_where(state.steps == steps - 1, move, waiting)

    return optax.GradientTransformationExtraArgs(init, update)


def with_model_state(opt: Any, model_state: Any) -> Any:
    """Puts the initial model_state into every `AverageState` of an optimiser's
    state.
    """
    return jax.tree.map(
        lambda s: (
            s._replace(model_state=model_state) if isinstance(s, AverageState) else s
        ),
        opt,
        is_leaf=lambda s: isinstance(s, AverageState),
    )


def averaged(opt: Any) -> tuple[Any, Any] | None:
    """(params, model_state) of the first `AverageState` in an optimiser's state, or
    None.
    """
    for leaf in jax.tree.leaves(opt, is_leaf=lambda s: isinstance(s, AverageState)):
        if isinstance(leaf, AverageState):
            return leaf.params, leaf.model_state
    return None


def decayed(params: Any) -> Any:
    """True for what `models.net.is_kernel` says of each array."""
    return jax.tree_util.tree_map_with_path(is_kernel, params)


def adamw(
    learning_rate: optax.Schedule | float,
    *,
    weight_decay: Any = 0.0,
    clip: float = 0.0,
    b1: float = 0.9,
    b2: float = 0.999,
    ema: float = 0.0,
    accumulate: int = 1,
) -> optax.GradientTransformationExtraArgs:
    """Adam with decoupled weight decay on what `decayed` says.

    Args:
      learning_rate: a number, possibly traced, or a schedule of the update count.
      weight_decay: 0 for none; may be traced.
      clip: largest global norm of the gradient; 0 for none.
      ema: decay of the average of the weights; 0 for none.
      accumulate: average the gradients of so many steps into one update.

    Source: Kingma and Ba 2015; Loshchilov and Hutter 2019.
    """
    links: list[Any] = [optax.scale_by_adam(b1=b1, b2=b2)]
    if clip:
        links.insert(0, optax.clip_by_global_norm(clip))
    if not isinstance(weight_decay, (int, float)) or weight_decay:
        links.append(optax.add_decayed_weights(weight_decay, mask=decayed))
    links.append(scale_by_learning_rate(learning_rate))
    if ema:
        links.append(average(ema))
    chain: Any = optax.chain(*links)
    chain = optax.with_extra_args_support(chain)
    return accumulated(chain, accumulate) if accumulate > 1 else chain


def sgd(
    learning_rate: optax.Schedule | float, *, momentum: float = 0.0
) -> optax.GradientTransformationExtraArgs:
    """Gradient descent, with Polyak's momentum where it is not 0.

    Args:
      learning_rate: a number, possibly traced, or a schedule of the update count.
    """
    links = [optax.trace(momentum)] if momentum else []
    chain = optax.chain(*links, scale_by_learning_rate(learning_rate))
    return optax.with_extra_args_support(chain)


def learning_rate(opt: Any) -> jax.Array | None:
    """The learning rate of the last update, where the chain kept it."""
    for leaf in jax.tree.leaves(opt, is_leaf=lambda s: isinstance(s, ScheduledState)):
        if isinstance(leaf, ScheduledState):
            return leaf.learning_rate
    return None
