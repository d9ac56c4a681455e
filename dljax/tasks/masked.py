"""Masked diffusion of tokens: predicts tokens that are masked at a random rate."""

from typing import Any

import jax
import jax.numpy as jnp

from dljax.models.decoding import sample_tokens
from dljax.tasks.diffusion import stratified
from dljax.tasks.single_net import init_net
from dljax.tasks.tokens import CHUNK, token_mask, token_nll
from dljax.types import Net, SampleEvaluator, Task, Turn

MIN_TIME = 1e-3  # bounds the weight 1 / time of the loss


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
    """Trains a masked diffusion model on batches {"y": int32 (b, t)} of tokens.

    At time s in (0, 1) each token is masked with probability s, that is, replaced by
    the token `vocabulary_size`. The cross-entropy of the masked tokens over s is in
    expectation an upper bound of the sequence's negative log-likelihood. Generation
    starts with all tokens masked; each of `steps` steps unmasks a part of them with
    tokens sampled from the net.

    Metrics: `loss`, that bound in nats per token, at times stratified over the batch.

    Args:
      net: tokens (b, t) in [0, vocabulary_size] -> logits (b, t, vocabulary_size); not
        causal.
      optimizer: an Optax transformation.
      example: one batch of y, for its shape.
      vocabulary_size: number of tokens without the mask token.
      mask_key: the batch's array (b, t) that is 0 where y is padding; "": no padding.
      steps: number of steps of generation.
      sample_evaluator: see `Task.sample_evaluator`; samples are "prediction".

    Source: Austin et al. 2021 (absorbing states); Sahoo et al. 2024 (MDLM), equation 10
    with a masking rate equal to the time.
    """

    def token_bounds(params, model_state, batch, key, train):
        """The bound of each token (b, t), in nats, and the net's model_state."""
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
            # From time steps_left / steps on, each step unmasks a share 1 / steps_left.
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
