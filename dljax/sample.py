"""python -m dljax.sample RUN --prompt=TEXT --n=5: what a finished run's network makes.

RUN is a trial's directory, which stays as it is. A language model goes on from the
prompt, a translator translates it. Each of the n is drawn token by token; with --greedy
it is the likeliest each time.
"""

import dataclasses
import functools
import sys

from dljax import config as configs
from dljax.config import flag
from dljax.errors import DONE, Refusal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags."""

    prompt: str = flag("", "what it goes on from, or translates")
    n: int = flag(5, "how many are made", low=1)
    length: int = flag(300, "tokens of each", low=1)
    temperature: float = flag(1.0, "below 1 the likely become likelier", low=0.01)
    top_k: int = flag(0, "of so many likeliest tokens alone; 0: of all", low=0)
    top_p: float = flag(1.0, "of the likeliest that have this share together", low=0.01)
    greedy: bool = flag(False, "the likeliest token each time")
    seed: int = flag(-1, "which of the trial's seeds; -1: its first", low=-1)
    draw: int = flag(0, "another number, other draws", low=0)


def main(arguments: list[str]) -> int:
    """Prints the texts; exit code 0."""
    if {"--help", "-h"} & set(arguments):
        print(f"{__doc__.strip()}\n\n{configs.describe(Config, {})}")
        return DONE
    if not arguments or arguments[0].startswith("-"):
        raise Refusal("usage: python -m dljax.sample RUN [--prompt=TEXT] [--n=N]")
    run, *flags = arguments
    config = configs.parse(Config, flags, factors={}).config
    from dljax import backend

    backend.prepare()
    for text in texts(run, config):
        print(text, end="\n\n")
    return DONE


def texts(run: str, config: Config) -> list[str]:
    """What is made.

    Raises:
      Refusal: see `loading.load`; the trial has no such seed, its network makes no
        sequences, or its data are no text.
    """
    import jax
    import numpy as np

    from dljax import loading
    from dljax.models.decoding import drawn
    from dljax.train import update

    loaded = loading.load(run)
    seeds = [seed for _, seed, _ in loaded.runs]
    if config.seed >= 0 and config.seed not in seeds:
        raise Refusal(f"--seed={config.seed}: the seeds of {run} are {seeds}")
    place = 0 if config.seed < 0 else seeds.index(config.seed)
    task, source = loaded.task, loaded.source
    if task.generate is None or source.ask is None or source.say is None:
        raise Refusal(f"{run}: its network makes no text")
    state = jax.tree.map(lambda leaf: leaf[place], loaded.tested)
    batch = source.ask([config.prompt] * config.n)
    draw = functools.partial(
        drawn,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
    )
    key = None if config.greedy else jax.random.key(config.draw)
    params, stats = update.averages(task, state)
    generate = functools.partial(task.generate, steps=config.length, draw=draw)
    made = jax.jit(generate)(params, stats, batch, key)
    said = source.say({**batch, **{k: np.asarray(v) for k, v in made.items()}})
    return [str(text) for text in said["said"]]


if __name__ == "__main__":
    from dljax.cli import guarded

    sys.exit(guarded(lambda: main(sys.argv[1:])))
