"""How many tokens per second does a Transformer generate, compared with PyTorch?

    python -m experiments.bench.decode_time [--batch_size=1,16] [--rounds=5]

nanoGPT's configuration for a CPU (4 blocks, 4 heads, width 128, 65 tokens) with a
context of 256 tokens, sampled from a single first token. Both libraries are measured
with a KV cache and without. Without a cache every token recomputes the sequence: dljax
the whole context, since a compiled program has fixed shapes, PyTorch the tokens so far.
Each variant runs in its own process, in interleaved rounds, without compilation. The
table has medians and ranges; the ratio is dljax with its cache over the other variant.
"""

import dataclasses
import sys
import time

from dljax import config as configs
from dljax.cli import guarded
from dljax.config import flag

from . import workers

CONTEXT, VOCABULARY, WIDTH, DEPTH, HEADS = 256, 65, 128, 4, 4
VARIANTS = ("dljax cache", "dljax", "torch cache", "torch")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags of decode_time."""

    batch_size: int = flag(1, "sequences sampled in parallel", low=1, formerly="batch")
    threads: int = flag(2, "threads of either library", low=1)
    rounds: int = flag(5, "interleaved rounds", low=3)
    worker: str = flag("", "internal: this process measures one variant")


def dljax_decoder(batch_size, *, cache):
    """decode() -> tokens (batch_size, CONTEXT - 1), by dljax."""
    from dljax import backend

    backend.prepare()
    import jax
    import jax.numpy as jnp

    from dljax.models.decoding import sample_tokens
    from dljax.models.transformer import transformer

    net = transformer(
        "decoder",
        WIDTH,
        VOCABULARY,
        depth=DEPTH,
        heads=HEADS,
        max_len=CONTEXT,
        bias=False,
        tied=True,
    )
    first = jnp.zeros((batch_size, 1), jnp.int32)
    params, model_state = net.init(jax.random.key(0), first)
    generate = net.generate
    assert generate is not None

    def decode_without_cache(params, key):
        def step(tokens, xs):
            position, key = xs
            logits, _ = net.apply(params, model_state, tokens, key=None, train=False)
            logits = jax.lax.dynamic_index_in_dim(logits, position, 1, keepdims=False)
            new = sample_tokens(logits, key)[:, None]
            return jax.lax.dynamic_update_slice(tokens, new, (0, position + 1)), None

        keys = jax.random.split(key, CONTEXT - 1)
        tokens = jnp.zeros((batch_size, CONTEXT), jnp.int32)
        return jax.lax.scan(step, tokens, (jnp.arange(CONTEXT - 1), keys))[0][:, 1:]

    def decode_with_cache(params, key):
        samples = generate(params, model_state, first, steps=CONTEXT - 1, key=key)
        return samples["prediction"]

    decode = jax.jit(decode_with_cache if cache else decode_without_cache)
    return lambda: jax.block_until_ready(decode(params, jax.random.key(1)))


def torch_decoder(batch_size, threads, *, cache):
    """decode() -> tokens (batch_size, CONTEXT - 1), by PyTorch."""
    import torch

    from . import torch_training
    from .torch_transformer import Gpt

    torch_training.setup(threads)
    net = Gpt(VOCABULARY, WIDTH, DEPTH, HEADS, CONTEXT).eval()
    first = torch.zeros((batch_size, 1), dtype=torch.int64)
    return lambda: net.generate(first, CONTEXT - 1, cache=cache)


def work(variant: str, config: Config) -> None:
    """Runs a worker: fills the context once to warm up, then once per round."""
    cache = variant.endswith("cache")
    if variant.startswith("dljax"):
        decode = dljax_decoder(config.batch_size, cache=cache)
    else:
        decode = torch_decoder(config.batch_size, config.threads, cache=cache)
    assert decode().shape == (config.batch_size, CONTEXT - 1)

    def measure():
        start = time.perf_counter()
        decode()
        secs = time.perf_counter() - start
        return {"value": config.batch_size * (CONTEXT - 1) / secs}

    workers.serve(measure)


def main(arguments) -> int:
    """Prints a table per batch size; returns the exit code."""
    request = configs.parse(Config, arguments, factors={"batch_size": (1, 16)})
    config = request.config
    if config.worker:
        work(config.worker.split("/")[1], config)
        return 0
    workers.limit_cores(config.threads)
    for batch_size in request.factors["batch_size"]:
        rates = workers.run_interleaved(
            workers.module_name(__spec__),
            [f"{batch_size}/{variant}" for variant in VARIANTS],
            (f"--threads={config.threads}", f"--batch_size={batch_size}"),
            config.rounds,
        )
        print(f"batch size {batch_size}: tokens per second, median (range); ratio")
        print(
            workers.format_table(rates, speedup=lambda first, other: first / other),
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
