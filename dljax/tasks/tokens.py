"""Token prediction: cross-entropy at each step of a sequence, and generation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from dljax.tasks.single_net import init_net, predict
from dljax.types import Net, SampleEvaluator, Task, Turn

CHUNK = 250  # sequences that are generated together


def tokens(
    net: Net,
    optimizer: Any,
    *,
    example: Any,
    input_keys: Sequence[str] = ("x",),
    mask_key: str = "",
    accuracy_mask_key: str = "",
    max_new_tokens: int = 0,
    prompts: Mapping[str, str] | None = None,
    do_sample: bool = False,
    measure_bits: bool = False,
    sample_evaluator: SampleEvaluator | None = None,
) -> Task:
    """Minimizes softmax cross-entropy over batches {"y": int32 (b, t), ...}.

    Metrics, pooled over the tokens of all examples: `loss`, in nats per token, and
    `accuracy`, 0 to 1.

    Args:
      net: inputs -> logits (b, t, k). A decoder takes the targets before each step as
        an input (teacher forcing).
      optimizer: an Optax transformation.
      example: one batch of inputs.
      input_keys: keys of the net's inputs in a batch; one key gives an array, several a
        dict.
      mask_key: the batch's array (b, t) that is 0 where y is padding; "": no padding.
      accuracy_mask_key: the batch's array (b, t) that is 1 where `accuracy` counts; "":
        the same as the mask.
      max_new_tokens: length of generated samples; 0: samples are the most likely token
        at each step, under teacher forcing.
      prompts: {key of a sample: the batch's array (b, s) that it continues}. All are
        continued to the same total length, `max_new_tokens` after the shortest prompt.
        By default "prediction" is generated from the net's inputs.
      do_sample: samples generated tokens; else decoding is greedy.
      measure_bits: adds the metric `bits`, bits per token: the loss over log 2.
      sample_evaluator: see `Task.sample_evaluator`; samples are "prediction", and
        "random_bits", uint32 (b,), for evaluators that draw random numbers.
    """

    def inputs(batch):
        if len(input_keys) == 1:
            return batch[input_keys[0]]
        return {name: batch[name] for name in input_keys}

    def loss(params, model_state, batch, key, step):
        del step
        logits, model_state = net.apply(
            params["net"], model_state, inputs(batch), key=key, train=True
        )
        nll = token_nll(logits, batch["y"])
        mask = token_mask(batch, mask_key)
        return (nll * mask).sum() / mask.sum(), ({}, model_state)

    def metrics(params, model_state, batch, key):
        del key
        logits = predict(net, params, model_state, inputs(batch))
        weight = batch["weight"].reshape(-1, 1)
        nll = token_nll(logits, batch["y"])
        correct = jnp.argmax(logits, -1) == batch["y"]
        mask = weight * token_mask(batch, mask_key)
        accuracy_mask = weight * token_mask(batch, accuracy_mask_key or mask_key)
        total, count = (nll * mask).sum(), mask.sum()
        accuracy = (correct * accuracy_mask).sum(), accuracy_mask.sum()
        sums = {"loss": (total, count), "accuracy": accuracy}
        return {**sums, "bits": (total / jnp.log(2.0), count)} if measure_bits else sums

    def sample(params, model_state, batch, key) -> dict[str, jax.Array]:
        if not max_new_tokens:
            logits = predict(net, params, model_state, inputs(batch))
            return {"prediction": jnp.argmax(logits, -1)}
        bits_key, token_key = jax.random.split(key)
        random_bits = jax.random.bits(bits_key, batch["y"].shape[:1])

        def generate(x, steps, key):
            return generate_tokens(
                net, params, model_state, x, key, steps=steps, do_sample=do_sample
            )

        if not prompts:
            samples = generate(inputs(batch), max_new_tokens, token_key)
            return samples | {"random_bits": random_bits}
        shortest = min(batch[prompt].shape[1] for prompt in prompts.values())
        samples = {}
        for i, (name, prompt) in enumerate(prompts.items()):
            x, key = batch[prompt], jax.random.fold_in(token_key, i)
            steps = max_new_tokens + shortest - x.shape[1]
            samples[name] = generate(x, steps, key)["prediction"]
        return samples | {"random_bits": random_bits}

    def continue_from(params, model_state, batch, key, **options):
        assert net.generate is not None
        return net.generate(
            params["net"], model_state, inputs(batch), key=key, **options
        )

    return Task(
        init_net(net, example),
        (Turn("net", loss, optimizer),),
        metrics,
        sample,
        generate=continue_from if net.generate else None,
        sample_evaluator=sample_evaluator,
    )


def token_mask(batch: Any, key: str) -> jax.Array:
    """The batch's array (b, t) by its key; ones shaped as "y" for the key ""."""
    return batch[key] if key else jnp.ones(batch["y"].shape, jnp.float32)


def generate_tokens(
    net: Net,
    params: Any,
    model_state: Any,
    x: Any,
    key: jax.Array,
    *,
    steps: int,
    do_sample: bool,
) -> dict[str, jax.Array]:
    """Applies `Net.generate` to inputs x (n, ...), `CHUNK` sequences at a time.

    Args:
      net, params, model_state: an autoregressive net; params are {"net": ...}.
      x: its inputs.
      key: for sampling.
      steps: number of tokens to generate.
      do_sample: samples tokens; else decoding is greedy.
    """
    generate = net.generate
    assert generate is not None, "this net generates no sequences"

    def generate_chunk(x, key):
        key = key if do_sample else None
        return generate(params["net"], model_state, x, steps=steps, key=key)

    return map_chunks(generate_chunk, x, key)


def map_chunks(generate: Callable[..., Any], x: Any, key: Any) -> Any:
    """Computes generate(x, key) for arrays (n, ...), `CHUNK` rows at a time.

    Each chunk has its own key. Chunks bound the memory of key-value caches.
    """
    n = len(jax.tree.leaves(x)[0])
    if n <= CHUNK:
        return generate(x, key)
    chunks = -(-n // CHUNK)
    rows = (jnp.arange(chunks * CHUNK) % n).reshape(
        chunks, CHUNK
    )  # padded with the first rows
    keys = jax.random.split(key, chunks)
    chunked = jax.tree.map(lambda array: jnp.take(array, rows, axis=0), x)
    samples = jax.lax.map(lambda chunk: generate(*chunk), (chunked, keys))
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:n], samples)


def token_nll(logits_BTK: Any, target_BT: Any) -> jax.Array:
    """Cross-entropy (b, t) in nats.

    Compares tokens with an iota instead of a gather, whose gradient would be a scatter.
    """
    token = jax.lax.broadcasted_iota(jnp.int32, logits_BTK.shape, logits_BTK.ndim - 1)
    chosen = jnp.where(token == target_BT[..., None], logits_BTK, 0).sum(-1)
    return jax.nn.logsumexp(logits_BTK, axis=-1) - chosen
