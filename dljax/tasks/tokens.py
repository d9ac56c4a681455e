"""Tokens: which of k is it, at each step of a sequence?"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from dljax.types import Net, SampleEvaluator, Task, Turn

AT_ONCE = 250  # sequences that are made


def tokens(
    net: Net,
    optimizer: Any,
    *,
    example: Any,
    given: Sequence[str] = ("x",),
    mask: str = "",
    accuracy_mask: str = "",
    generate: int = 0,
    prompts: Mapping[str, str] | None = None,
    draw: bool = False,
    bits: bool = False,
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """Softmax cross-entropy over batches {"y": int32 (b, t), ...}.

    Args:
      net: what is given -> logits (b, t, k); what was before each step is given in
        training (teacher forcing), where the net takes it.
      example: one batch of what is given.
      given: what the net takes of a batch: one array, or several by their names.
      mask: the array (b, t) of a batch that is 0 where y is padding; "": nowhere.
      accuracy_mask: the array (b, t) that is 1 where `accuracy` counts; "": the mask.
      generate: samples are sequences of so many tokens that the net makes, each from
        its own before; 0: the likeliest at each step, given y's.
      prompts: {name of a sample: the array (b, s) of a batch, tokens that it goes on
        from}, each up to as many tokens as `generate` and the shortest have together;
        by default "prediction" goes on from what is given.
      draw: what it makes is drawn by its likelihood; else the likeliest is taken.
      bits: measures `bits` a token too, which is the loss over log 2.
      sample_evaluator: as `Task.sample_evaluator`; samples are "prediction", and
        "draw", uint32 (b,), random bits for an evaluator that draws itself.

    Measures `loss`, in nats a token, and `accuracy` (0 to 1), each pooled over the
    tokens of all examples.
    """

    def init(key):
        params, model_state = net.init(key, example)
        return {"net": params}, model_state

    def taken(batch):
        return batch[given[0]] if len(given) == 1 else {k: batch[k] for k in given}

    def logits(params, model_state, batch, key, train):
        return net.apply(params["net"], model_state, taken(batch), key=key, train=train)

    def loss(params, model_state, batch, key, step):
        del step
        z, model_state = logits(params, model_state, batch, key, True)
        each = nats(z, batch["y"])
        count = counted(batch, mask)
        return (each * count).sum() / count.sum(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        del key
        z, _ = logits(params, model_state, batch, None, False)
        weight = batch["weight"].reshape(-1, 1)
        each = nats(z, batch["y"])
        right = jnp.argmax(z, -1) == batch["y"]
        tokens, those = (
            weight * counted(batch, n) for n in (mask, accuracy_mask or mask)
        )
        total = (each * tokens).sum(), tokens.sum()
        accuracy = (right * those).sum(), those.sum()
        told = {"bits": (total[0] / jnp.log(2.0), total[1])} if bits else {}
        return {"loss": total, "accuracy": accuracy, **told}

    def sample(params, model_state, batch, key) -> dict[str, jax.Array]:
        if not generate:
            z, _ = logits(params, model_state, batch, None, False)
            return {"prediction": jnp.argmax(z, -1)}
        assert net.generate is not None, "this net makes no sequences"
        numbers, words = jax.random.split(key)

        def made(x, steps, key):
            def some(x, key):
                assert net.generate is not None
                key = key if draw else None
                return net.generate(params["net"], model_state, x, steps=steps, key=key)

            return in_parts(some, x, key)

        found = {} if prompts else made(taken(batch), generate, words)
        shortest = min((batch[k].shape[1] for k in (prompts or {}).values()), default=0)
        for i, (name, prompt) in enumerate((prompts or {}).items()):
            x, key = batch[prompt], jax.random.fold_in(words, i)
            steps = generate + shortest - x.shape[1]
            found[name] = made(x, steps, key)["prediction"]
        return found | {"draw": jax.random.bits(numbers, batch["y"].shape[:1])}

    def goes_on(params, model_state, batch, key, **options) -> dict[str, jax.Array]:
        assert net.generate is not None
        return net.generate(
            params["net"], model_state, taken(batch), key=key, **options
        )

    return Task(
        init,
        (Turn("net", loss, optimizer),),
        metrics,
        sample,
        generate=goes_on if net.generate else None,
        sample_evaluator=sample_evaluator,
    )


def counted(batch: Any, name: str) -> jax.Array:
    """The array (b, t) of a batch that is 1 where y counts; where "" has no name."""
    return batch[name] if name else jnp.ones(batch["y"].shape, jnp.float32)


def in_parts(make: Callable[..., Any], x: Any, key: Any) -> Any:
    """make(x, key) of arrays (n, ...), AT_ONCE at a time: what is kept of the past of
    all of them may not fit into memory.
    """
    n = len(jax.tree.leaves(x)[0])
    if n <= AT_ONCE:
        return make(x, key)
    parts = -(-n // AT_ONCE)
    rows = (jnp.arange(parts * AT_ONCE) % n).reshape(parts, AT_ONCE)  # the last again
    keys = jax.random.split(key, parts)
    several = jax.tree.map(lambda array: jnp.take(array, rows, axis=0), x)
    found = jax.lax.map(lambda part: make(*part), (several, keys))
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:n], found)


def nats(z: Any, y: Any) -> jax.Array:
    """Cross-entropy (b, t) of logits (b, t, k); by comparison, whose gradient needs no
    scatter.
    """
    number = jax.lax.broadcasted_iota(jnp.int32, z.shape, z.ndim - 1)
    told = jnp.where(number == y[..., None], z, 0).sum(-1)
    return jax.nn.logsumexp(z, axis=-1) - told
