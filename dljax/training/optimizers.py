"""Optimizers as Optax chains: schedule, clipping, weight decay, accumulation, EMA."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from dljax.models.net import is_kernel
from dljax.ops.backend_forms import update_where


def warmup_cosine(
    peak: Any, steps: int, *, warmup: int = 0, end: float = 0.0
) -> optax.Schedule:
    """Linear warmup from 0 to `peak`, then half a cosine down to end * peak.

    Args:
      peak: the largest learning rate; may be traced.
      steps: number of updates.
      warmup: number of updates of the warmup.
      end: final learning rate over `peak`.

    Source: Loshchilov and Hutter 2017.
    """

    def schedule(step):
        rise = (step + 1) / max(warmup, 1)
        share = jnp.clip((step - warmup) / max(steps - warmup, 1), 0.0, 1.0)
        fall = end + (1 - end) * 0.5 * (1 + jnp.cos(jnp.pi * share))
        return peak * jnp.where(step < warmup, rise, fall)

    return schedule


class ScheduledState(NamedTuple):
    """State of `scale_by_learning_rate`.

    Attributes:
      count: int32, the number of updates done.
      learning_rate: float32, of the last update.
    """

    count: jax.Array  # type: ignore[assignment]  # the name in Optax
    learning_rate: jax.Array


def scale_by_learning_rate(schedule: optax.Schedule | float) -> Any:
    """Multiplies updates by -learning_rate; the state stores the rate for the log."""
    schedule_fn = schedule if callable(schedule) else lambda _: jnp.float32(schedule)

    def init(params):
        del params
        return ScheduledState(jnp.zeros([], jnp.int32), jnp.zeros([], jnp.float32))

    def update(updates, state, params=None):
        del params
        rate = jnp.asarray(schedule_fn(state.count), jnp.float32)
        updates = jax.tree.map(lambda u: (-rate * u).astype(u.dtype), updates)
        return updates, ScheduledState(state.count + 1, rate)

    return optax.GradientTransformation(init, update)


class ParamsEmaState(NamedTuple):
    """State of `params_ema`.

    Attributes:
      count: int32, the number of updates done.
      params: moving average of one player's params.
      model_state: moving average of the run's model_state.
    """

    count: jax.Array  # type: ignore[assignment]  # the name in Optax
    params: Any
    model_state: Any


def params_ema(decay: float) -> optax.GradientTransformationExtraArgs:
    """Exponential moving average of params and model_state; the last link of a chain.

    ema <- d * ema + (1 - d) * new with d = min(decay, (1 + t) / (10 + t)), which
    forgets the first updates early. (`optax.ema` averages updates instead.)
    """

    def init(params):
        return ParamsEmaState(jnp.zeros([], jnp.int32), params, {})

    def update(updates, state, params=None, *, model_state=None, **extra):
        del extra
        d = jnp.minimum(decay, (1 + state.count) / (10 + state.count))
        new_params = optax.apply_updates(params, updates)

        def interpolate(ema, new):
            return jax.tree.map(
                lambda a, b: (d * a + (1 - d) * b).astype(a.dtype), ema, new
            )

        return updates, ParamsEmaState(
            state.count + 1,
            interpolate(state.params, new_params),
            interpolate(state.model_state, model_state),
        )

    return optax.GradientTransformationExtraArgs(init, update)


def init_ema_model_state(opt_state: Any, model_state: Any) -> Any:
    """Sets the initial model_state in each `ParamsEmaState` of an optimizer state.

    Optax's `init` takes the params only.
    """
    return jax.tree.map(
        lambda s: (
            s._replace(model_state=model_state) if isinstance(s, ParamsEmaState) else s
        ),
        opt_state,
        is_leaf=lambda s: isinstance(s, ParamsEmaState),
    )


def ema_params(opt_state: Any) -> tuple[Any, Any] | None:
    """(params, model_state) of an optimizer state's first `ParamsEmaState`, or None."""
    ema = _find(opt_state, ParamsEmaState)
    return None if ema is None else (ema.params, ema.model_state)


def learning_rate(opt_state: Any) -> jax.Array | None:
    """The learning rate of the last update; None if the chain does not store it."""
    scheduled = _find(opt_state, ScheduledState)
    return None if scheduled is None else scheduled.learning_rate


def _find(opt_state: Any, record: type) -> Any:
    """The first state of a type in an optimizer state, or None."""
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda s: isinstance(s, record))
    return next((leaf for leaf in leaves if isinstance(leaf, record)), None)


class MultiStepsState(NamedTuple):
    """State of `multi_steps`.

    Attributes:
      mini_step: int32, the number of gradients in the sum.
      acc_grads: the sum of gradients.
      inner_opt_state: state of the inner optimizer.
    """

    mini_step: jax.Array
    acc_grads: Any
    inner_opt_state: Any


def multi_steps(
    inner: optax.GradientTransformationExtraArgs, every_k: int
) -> optax.GradientTransformationExtraArgs:
    """Applies `inner` to the mean of every k gradients; other updates are zero.

    Sums gradients and divides once. `optax.MultiSteps` keeps a running mean, whose last
    bits depend on how XLA fuses it and hence on the rest of the program.
    """

    def init(params):
        zeros = jax.tree.map(jnp.zeros_like, params)
        return MultiStepsState(jnp.zeros([], jnp.int32), zeros, inner.init(params))

    def update(updates, state, params=None, **extra):
        acc_grads = jax.tree.map(jnp.add, state.acc_grads, updates)

        def apply():
            mean = jax.tree.map(lambda leaf: leaf / every_k, acc_grads)
            changes, opt_state = inner.update(
                mean, state.inner_opt_state, params, **extra
            )
            zeros = jax.tree.map(jnp.zeros_like, acc_grads)
            return changes, MultiStepsState(jnp.zeros([], jnp.int32), zeros, opt_state)

        no_changes = jax.tree.map(jnp.zeros_like, updates)
        accumulate = (
            no_changes,
            MultiStepsState(state.mini_step + 1, acc_grads, state.inner_opt_state),
        )
        return update_where(state.mini_step == every_k - 1, apply, accumulate)

    return optax.GradientTransformationExtraArgs(init, update)


def weight_decay_mask(params: Any) -> Any:
    """Weight-decay mask: kernels only; see `models.net.is_kernel`."""
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
    """Adam with decoupled weight decay of kernels.

    Args:
      learning_rate: a number, possibly traced, or a schedule of the update count.
      weight_decay: 0 for none; may be traced; see `weight_decay_mask`.
      clip: largest global norm of the gradient; 0: no clipping.
      b1, b2: decay rates of the first and second moment.
      ema: decay of the moving average of params; 0: no average.
      accumulate: number of steps whose gradients are averaged for one update.

    Source: Kingma and Ba 2015; Loshchilov and Hutter 2019.
    """
    links: list[Any] = [optax.scale_by_adam(b1=b1, b2=b2)]
    if clip:
        links.insert(0, optax.clip_by_global_norm(clip))
    if not isinstance(weight_decay, (int, float)) or weight_decay:
        links.append(optax.add_decayed_weights(weight_decay, mask=weight_decay_mask))
    links.append(scale_by_learning_rate(learning_rate))
    if ema:
        links.append(params_ema(ema))
    chain: Any = optax.chain(*links)
    chain = optax.with_extra_args_support(chain)
    return multi_steps(chain, accumulate) if accumulate > 1 else chain


def sgd(
    learning_rate: optax.Schedule | float, *, momentum: float = 0.0
) -> optax.GradientTransformationExtraArgs:
    """Stochastic gradient descent.

    Args:
      learning_rate: a number, possibly traced, or a schedule of the update count.
      momentum: decay of the trace of gradients (Polyak 1964); 0: no momentum.
    """
    links = [optax.trace(momentum)] if momentum else []
    chain = optax.chain(*links, scale_by_learning_rate(learning_rate))
    return optax.with_extra_args_support(chain)
