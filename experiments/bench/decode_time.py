"""How many tokens a second does a Transformer generate, beside PyTorch?

    python -m experiments.bench.decode_time [--batch=1,16] [--threads=2] [--rounds=5]

Four blocks of four heads and 128 numbers and 65 tokens, as nanoGPT's for a CPU, with a
context of 256, which is filled from one token on; each is drawn by its likelihood. Both
sides with keys and values kept ("cache"), and with all that is there computed anew for
every token: dljax over the whole context, since a compiled program's shapes are fixed,
PyTorch over what there is. One process each, in interleaved rounds; compilation apart;
medians, with their ranges. The ratio is dljax with its cache over the other.
"""

import dataclasses
import sys
import time

from dljax import config as configs
from dljax.cli import guarded
from dljax.config import flag
from experiments.bench import workers

CONTEXT, VOCABULARY, WIDTH, DEPTH, HEADS = 256, 65, 128, 4, 4
SIDES = ("dljax cache", "dljax", "torch cache", "torch")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags."""

    batch: int = flag(1, "sequences at once", low=1)
    threads: int = flag(2, "threads of both", low=1)
    rounds: int = flag(5, "interleaved rounds", low=3)
    worker: str = flag("", "internal: this process measures one variant")


def ours(batch, *, cache):
    """made() -> tokens (batch, CONTEXT - 1), by dljax."""
    from dljax import backend

    backend.prepare()
    import jax
    import jax.numpy as jnp

    from dljax.models.decoding import drawn
    from dljax.models.transformer import transformer

    net = transformer(
        "decoder",
        WIDTH,
        VOCABULARY,
        depth=DEPTH,
        heads=HEADS,
        longest=CONTEXT,
        bias=False,
        tied=True,
    )
    first = jnp.zeros((batch, 1), jnp.int32)
    params, model_state = net.init(jax.random.key(0), first)
    generate = net.generate
    assert generate is not None

    def anew(params, key):
        def step(tokens, given):
            at, key = given
            logits, _ = net.apply(params, model_state, tokens, key=None, train=False)
            said = jax.lax.dynamic_index_in_dim(logits, at, 1, keepdims=False)
            new = drawn(said, key)[:, None]
            return jax.lax.dynamic_update_slice(tokens, new, (0, at + 1)), None

        keys = jax.random.split(key, CONTEXT - 1)
        tokens = jnp.zeros((batch, CONTEXT), jnp.int32)
        return jax.lax.scan(step, tokens, (jnp.arange(CONTEXT - 1), keys))[0][:, 1:]

    def kept(params, key):
        made = generate(params, model_state, first, steps=CONTEXT - 1, key=key)
        return made["prediction"]

    made = jax.jit(kept if cache else anew)
    return lambda: jax.block_until_ready(made(params, jax.random.key(1)))


def theirs(batch, threads, *, cache):
    """The same by PyTorch."""
    import torch

    from experiments.bench import torch_side
    from experiments.bench.torch_transformer import Gpt

    torch_side.setup(threads)
    net = Gpt(VOCABULARY, WIDTH, DEPTH, HEADS, CONTEXT).eval()
    first = torch.zeros((batch, 1), dtype=torch.int64)
    return lambda: net.generate(first, CONTEXT - 1, cache=cache)


def work(side: str, config: Config) -> None:
    """A worker: fills the context once, then as often as it is asked to."""
    cache = side.endswith("cache")
    if side.startswith("dljax"):
        made = ours(config.batch, cache=cache)
    else:
        made = theirs(config.batch, config.threads, cache=cache)
    assert made().shape == (config.batch, CONTEXT - 1)

    def measure():
        begun = time.perf_counter()
        made()
        secs = time.perf_counter() - begun
        return {"value": config.batch * (CONTEXT - 1) / secs}

    workers.serve(measure)


def main(arguments) -> int:
    """Prints a table; exit code 0."""
    asked = configs.parse(Config, arguments, factors={"batch": (1, 16)})
    config = asked.config
    if config.worker:
        work(config.worker.split("/")[1], config)
        return 0
    workers.limit(config.threads)
    for batch in asked.factors["batch"]:
        found = workers.interleaved(
            "experiments.bench.decode_time",
            [f"{batch}/{side}" for side in SIDES],
            (f"--threads={config.threads}", f"--batch={batch}"),
            config.rounds,
        )
        print(f"{batch} at once: tokens a second, median (range); ratio")
        print(workers.lines(found, faster=lambda ours, its: ours / its), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(sys.argv[1:])))
