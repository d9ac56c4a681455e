"""How a Transformer makes a sequence, token by token."""

from typing import Any

import jax
import jax.numpy as jnp


def generate(module, params, stats, given, *, steps, key):
    """See `contract.Net`; of a decoder, or of an encoder and decoder.

    Keys and values of what is there are kept, so that a step computes its own alone. A
    decoder goes on from all it is given; where more is made than it can take, it begins
    anew from the last half of that.
    """
    variables = {"params": params, **stats}
    if module.architecture == "encoder_decoder":
        before = given["before"][:, :1]
        seen = module.apply(variables, given, method="encode")
    else:
        before, seen = given[:, -module.longest :], (None, None)

    def decode(tokens, past, at):
        made: Any = module.apply(variables, tokens, *seen, past, at, method="decode")
        logits, past = made
        return logits[:, -1], past

    def empty(shape):
        depth, b, _, *rest = shape.shape
        return jnp.zeros((depth, b, module.longest, *rest), shape.dtype)

    def step(carry, given):
        token, past = carry
        at, key = given
        logits, past = decode(token[:, None], past, at)
        drawn = _drawn(logits, key)
        return (drawn, past), drawn

    kept = jax.eval_shape(lambda: decode(before[:, :1], None, 0)[1])
    keys = None if key is None else jax.random.split(key, steps)
    made: list[Any] = []
    done = 0
    while done < steps:
        there = before.shape[1]
        now = min(steps - done, module.longest - there + 1)
        its = None if keys is None else keys[done : done + now]
        logits, past = decode(before, jax.tree.map(empty, kept), 0)
        first = _drawn(logits, None if its is None else its[0])
        rest = (there + jnp.arange(now - 1), None if its is None else its[1:])
        _, more = jax.lax.scan(step, (first, past), rest)
        made.append(jnp.concatenate([first[:, None], more.swapaxes(0, 1)], 1))
        before = jnp.concatenate([before, made[-1]], 1)
        before = before[:, -max(1, module.longest // 2) :]
        done += now
    return {"prediction": jnp.concatenate(made, 1)}


def _drawn(logits, key):
    if key is None:
        return jnp.argmax(logits, -1).astype(jnp.int32)
    return jax.random.categorical(key, logits).astype(jnp.int32)
