"""How a sequence is made: how each token is drawn, and a Transformer's loop."""

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
    """Tokens int32 (b,) of logits (b, k): by likelihood; the likeliest without a key.

    Args:
      temperature: logits are divided by it; below 1 the likely become likelier.
      top_k: of so many likeliest alone; 0: of all.
      top_p: of the likeliest alone that together have this share (Holtzman et al.
        2020).
    """
    if key is None:
        return jnp.argmax(logits, -1).astype(jnp.int32)
    logits = logits.astype(jnp.float32) / temperature
    if top_k:
        least = jax.lax.top_k(logits, min(top_k, logits.shape[-1]))[0][..., -1:]
        logits = jnp.where(logits < least, -jnp.inf, logits)
    if top_p < 1:
        falling = -jnp.sort(-logits, axis=-1)
        shares = jax.nn.softmax(falling, axis=-1)
        before = jnp.cumsum(shares, -1) - shares  # what likelier ones have together
        least = jnp.where(before < top_p, falling, jnp.inf).min(-1, keepdims=True)
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return jax.random.categorical(key, logits).astype(jnp.int32)


def generate(module, params, model_state, given, *, steps, key, draw=sample_tokens):
    """See `contract.Net`; of a decoder, or of an encoder and decoder.

    Keys and values of what is there are kept, so that a step computes its own alone. A
    decoder goes on from all it is given; where more is made than it can take, it begins
    anew from the last half of that.
    """
    variables = {"params": params, **model_state}
    if module.architecture == "encoder_decoder":
        before = given["decoder_inputs"][:, :1]
        seen = module.apply(variables, given, method="encode")
    else:
        before, seen = given[:, -module.max_len :], (None, None)

    def decode(tokens, past, at):
        made: Any = module.apply(variables, tokens, *seen, past, at, method="decode")
        logits, past = made
        return logits[:, -1], past

    def empty(shape):
        *leading, _, size = shape.shape
        return jnp.zeros((*leading, module.max_len, size), shape.dtype)

    def step(carry, given):
        token, past = carry
        at, key = given
        logits, past = decode(token[:, None], past, at)
        token = draw(logits, key)
        return (token, past), token

    kept = jax.eval_shape(lambda: decode(before[:, :1], None, 0)[1])
    keys = None if key is None else jax.random.split(key, steps)
    made: list[Any] = []
    done = 0
    while done < steps:
        there = before.shape[1]
        now = min(steps - done, module.max_len - there + 1)
        its = None if keys is None else keys[done : done + now]
        logits, past = decode(before, jax.tree.map(empty, kept), 0)
        first = draw(logits, None if its is None else its[0])
        rest = (there + jnp.arange(now - 1), None if its is None else its[1:])
        _, more = jax.lax.scan(step, (first, past), rest)
        made.append(jnp.concatenate([first[:, None], more.swapaxes(0, 1)], 1))
        before = jnp.concatenate([before, made[-1]], 1)
        before = before[:, -max(1, module.max_len // 2) :]
        done += now
    return {"prediction": jnp.concatenate(made, 1)}
