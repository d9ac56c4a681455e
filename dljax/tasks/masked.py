"""Masked diffusion of tokens: which are they, where any share of them is hidden?"""

from typing import Any

import jax
import jax.numpy as jnp

from dljax.models.decoding import sample_tokens
from dljax.tasks.tokens import AT_ONCE, counted, nats
from dljax.types import Net, SampleEvaluator, Task, Turn


def masked(
    net: Net,
    optimizer: Any,
    *,
    example: Any,
    tokens: int,
    mask: str = "",
    steps: int = 64,
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """Discrete diffusion over batches {"y": int32 (b, t)}, of `tokens` tokens.

    At time s, from 0 to 1, each token is hidden with probability s, by a token of its
    own, number `tokens`. The cross-entropy of what is hidden, over s, is on average a
    bound of the sequence's negative log-likelihood. New sequences begin all hidden; in
    each of so many `steps` a part of what still is becomes known, drawn by the net.

    Args:
      net: tokens (b, t), of `tokens` + 1, -> logits (b, t, tokens), which see all.
      example: one batch of y, for its shape.
      mask: the array (b, t) of a batch that is 0 where y is padding; "": nowhere.
      sample_evaluator: as `Task.sample_evaluator`, of samples "prediction".

    Measures `loss`, that bound in nats a token, at times that are spread evenly over
    the batch.

    Source: Austin et al. 2021 (absorbing states); Sahoo et al. 2024 (MDLM), equation 10
    with hidden tokens in proportion to time.
    """

    def init(key):
        params, model_state = net.init(key, example)
        return {"net": params}, model_state

    def bounds(params, model_state, batch, key, train):
        """The bound of each token, (b, t), in nats; and model_state."""
        when, what, noise, turn = jax.random.split(key, 4)
        y = batch["y"]
        # One time of each b-th of the whole, which spreads them evenly.
        b = len(y)
        spread = jax.random.permutation(turn, b) + jax.random.uniform(when, (b,))
        time = jnp.maximum(spread / b, 1e-3).reshape(-1, 1)
        hidden = jax.random.uniform(what, y.shape) < time
        z, model_state = net.apply(
            params["net"],
            model_state,
            jnp.where(hidden, tokens, y),
            key=noise if train else None,
            train=train,
        )
        return nats(z, y) * hidden / time, model_state

    def loss(params, model_state, batch, key, step):
        del step
        found, model_state = bounds(params, model_state, batch, key, True)
        count = counted(batch, mask)
        return (found * count).sum() / count.sum(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        found, _ = bounds(params, model_state, batch, key, False)
        count = batch["weight"].reshape(-1, 1) * counted(batch, mask)
        return {"loss": ((found * count).sum(), count.sum())}

    def sample(params, model_state, batch, key):
        length = batch["y"].shape[1]

        def one(key):
            def step(y, row):
                at, key = row
                first, second = jax.random.split(key)
                z, _ = net.apply(
                    params["net"], model_state, y[None], key=None, train=False
                )
                told = sample_tokens(z[0], first)
                # Of what is hidden at time at / steps, a share 1 / at is told.
                now = jax.random.uniform(second, (length,)) < 1 / at
                return jnp.where((y == tokens) & now, told, y), None

            rows = jnp.arange(steps, 0, -1), jax.random.split(key, steps)
            return jax.lax.scan(step, jnp.full(length, tokens, jnp.int32), rows)[0]

        keys = jax.random.split(key, len(batch["y"]))
        return {"prediction": jax.lax.map(one, keys, batch_size=AT_ONCE)}

    turns = (Turn("net", loss, optimizer),)
    return Task(init, turns, metrics, sample, sample_evaluator=sample_evaluator)
