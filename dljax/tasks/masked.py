"""Masked diffusion of tokens: predict the tokens that are masked at a random rate."""

from typing import Any

import jax
import jax.numpy as jnp

from dljax.models.decoding import sample_tokens
from dljax.tasks.diffusion import stratified
from dljax.tasks.single_net import init_net
from dljax.tasks.tokens import CHUNK, token_mask, token_nll
from dljax.types import Net, SampleEvaluator, Task, Turn

MIN_TIME = 1e-3


def masked(
    net: Net,
    optimizer: Any,
    *,
    example: Any,
    vocabulary_size: int,
    mask_key: str = "",
    steps: int = 64,
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """Discrete diffusion over batches {"y": int32 (b, t)} of tokens.

    At time s, from 0 to 1, each token is masked with probability s: replaced by the
    token `vocabulary_size`. The cross-entropy of masked tokens, over s, is on average a
    bound of the sequence's negative log-likelihood. Generation begins with all tokens
    masked; each of `steps` steps draws a part of the masked tokens from the net.

    Args:
      net: tokens (b, t), of `vocabulary_size` + 1, -> logits (b, t, vocabulary_size),
        without a causal mask.
      example: one batch of y, for its shape.
      mask_key: the array (b, t) of a batch that is 0 where y is padding; "": nowhere.
      sample_evaluator: as `Task.sample_evaluator`, of samples "prediction".

    Measures `loss`, that bound in nats a token, at times that are spread evenly over
    the batch.

    Source: Austin et al. 2021 (absorbing states); Sahoo et al. 2024 (MDLM), equation 10
    with masked tokens in proportion to time.
    """

    def token_bounds(params, model_state, batch, key, train):
        """The bound of each token, (b, t), in nats, and the net's state."""
        time_key, masking_key, net_key, order_key = jax.random.split(key, 4)
        y, b = batch["y"], len(batch["y"])
        time = jnp.maximum(stratified(order_key, time_key, b) / b, MIN_TIME)
        time = time.reshape(-1, 1)
        is_masked = jax.random.uniform(masking_key, y.shape) < time
        logits, model_state = net.apply(
            params["net"],
            model_state,
            jnp.where(is_masked, vocabulary_size, y),
            key=net_key if train else None,
            train=train,
        )
        return token_nll(logits, y) * is_masked / time, model_state

    def loss(params, model_state, batch, key, step):
        del step
        bounds, model_state = token_bounds(params, model_state, batch, key, True)
        mask = token_mask(batch, mask_key)
        return (bounds * mask).sum() / mask.sum(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        bounds, _ = token_bounds(params, model_state, batch, key, False)
        mask = batch["weight"].reshape(-1, 1) * token_mask(batch, mask_key)
        return {"loss": ((bounds * mask).sum(), mask.sum())}

    def sample(params, model_state, batch, key):
        length = batch["y"].shape[1]

        def unmask_step(y, row):
            steps_left, key = row
            token_key, position_key = jax.random.split(key)
            logits, _ = net.apply(
                params["net"], model_state, y[None], key=None, train=False
            )
            drawn = sample_tokens(logits[0], token_key)
            # At time steps_left / steps, a share 1 / steps_left is unmasked.
            unmask = jax.random.uniform(position_key, (length,)) < 1 / steps_left
            return jnp.where((y == vocabulary_size) & unmask, drawn, y), None

        def generate(key):
            rows = jnp.arange(steps, 0, -1), jax.random.split(key, steps)
            all_masked = jnp.full(length, vocabulary_size, jnp.int32)
            return jax.lax.scan(unmask_step, all_masked, rows)[0]

        keys = jax.random.split(key, len(batch["y"]))
        return {"prediction": jax.lax.map(generate, keys, batch_size=CHUNK)}

    return Task(
        init_net(net, example),
        (Turn("net", loss, optimizer),),
        metrics,
        sample,
        sample_evaluator=sample_evaluator,
    )
