"""Autoregressive decoding: token sampling, and a Transformer's decoding loop."""

from typing import Any

import jax
import jax.numpy as jnp


def sample_tokens(
    logits: Any,
    key: Any,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> Any:
    """Samples tokens int32 (b,) from logits (b, k), or takes the most likely ones.

    Args:
      logits: (b, k).
      key: None for greedy decoding.
      temperature: divides the logits; below 1 likely tokens become more likely.
      top_k: samples among this number of most likely tokens; 0: among all tokens.
      top_p: samples among the most likely tokens whose total probability reaches this
        number (nucleus sampling, Holtzman et al. 2020).
    """
    if key is None:
        return jnp.argmax(logits, -1).astype(jnp.int32)
    logits = logits.astype(jnp.float32) / temperature
    if top_k:
        top = jax.lax.top_k(logits, min(top_k, logits.shape[-1]))[0]
        logits = jnp.where(logits < top[..., -1:], -jnp.inf, logits)
    if top_p < 1:
        descending = -jnp.sort(-logits, axis=-1)
        probabilities = jax.nn.softmax(descending, axis=-1)
        more_likely = jnp.cumsum(probabilities, -1) - probabilities
        nucleus = jnp.where(more_likely < top_p, descending, jnp.inf)
        logits = jnp.where(logits < nucleus.min(-1, keepdims=True), -jnp.inf, logits)
    return jax.random.categorical(key, logits).astype(jnp.int32)


def generate(
    module, params, model_state, inputs, *, steps, key, draw=sample_tokens
) -> dict[str, Any]:
    """Generates tokens with a Transformer; see `types.Net.generate`.

    Keys and values are cached, so that a step computes only those of its own token. A
    decoder continues all of `inputs` (b, t); an encoder-decoder starts from the first
    of its decoder inputs. When a sequence reaches `max_len`, decoding restarts from its
    last `max_len // 2` tokens.
    """
    variables = {"params": params, **model_state}
    if module.architecture == "encoder_decoder":
        tokens = inputs["decoder_inputs"][:, :1]
        encoded = module.apply(variables, inputs, method="encode")
    else:
        tokens, encoded = inputs[:, -module.max_len :], (None, None)

    def decode(tokens, kv_cache, position) -> Any:
        logits, kv_cache = module.apply(
            variables, tokens, *encoded, kv_cache, position, method="decode"
        )
        return logits[:, -1], kv_cache

    def empty(shape):
        *leading, _, size = shape.shape
        return jnp.zeros((*leading, module.max_len, size), shape.dtype)

    def step(carry, now):
        token, kv_cache = carry
        position, key = now
        logits, kv_cache = decode(token[:, None], kv_cache, position)
        token = draw(logits, key)
        return (token, kv_cache), token

    cache_shapes = jax.eval_shape(lambda: decode(tokens[:, :1], None, 0)[1])
    keys = None if key is None else jax.random.split(key, steps)
    windows: list[Any] = []
    done = 0
    while done < steps:
        length = tokens.shape[1]
        count = min(steps - done, module.max_len - length + 1)
        first_key = None if keys is None else keys[done]
        other_keys = None if keys is None else keys[done + 1 : done + count]
        logits, kv_cache = decode(tokens, jax.tree.map(empty, cache_shapes), 0)
        first = draw(logits, first_key)
        positions = length + jnp.arange(count - 1)
        _, others = jax.lax.scan(step, (first, kv_cache), (positions, other_keys))
        windows.append(jnp.concatenate([first[:, None], others.swapaxes(0, 1)], 1))
        tokens = jnp.concatenate([tokens, windows[-1]], 1)
        tokens = tokens[:, -max(1, module.max_len // 2) :]
        done += count
    return {"prediction": jnp.concatenate(windows, 1)}
