"""An LSTM's five steps, on one real example, as a picture.

An LSTM works in five steps: input, previous memory, gating, updating of the memory,
output. This draws them of any run of a recurrent net, for every neuron and
over all of a sentence, a chorale or the rows of an image of the test data:

    python -m experiments.sentiment
    python -m experiments.lstm_trace --run=runs/sentiment-lexicon/TRIAL --example=3

It writes TRIAL/trace.svg, of the first layer that reads forwards.
"""

import dataclasses
import sys
from typing import Any

from dljax import config as configs
from dljax.config import flag

MOST = 60  # labels below the picture


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    run: str = flag("", "a trial's directory, RUNS/STUDY/TRIAL")
    seed: int = flag(-1, "seed of the run; -1: the trial's first", low=-1)
    example: int = flag(0, "index of the test example", low=0)


def main(arguments):
    """Exit code 0; raises UserError where there is no such run, or of another kind."""
    from dljax import backend
    from dljax.errors import DONE

    if {"--help", "-h"} & set(arguments):
        print(f"{__doc__.strip()}\n\n{configs.describe(Config, {})}")
        return DONE
    config = configs.parse(Config, arguments, factors={}).config
    from dljax.studies import loading

    directory = loading.writable(config.run)
    backend.prepare()
    parts, labels = traced(config)
    from dljax.reporting import figures, gate_figures

    figures.save(gate_figures.trace(parts, labels), directory, "trace")
    print(f"picture  {directory / 'trace.svg'}")
    return DONE


def traced(config):
    """({gate or state: (t, neurons)} of one example, what was read at each step)."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    import dljax
    from dljax.errors import UserError
    from dljax.models.cell import record_cells
    from dljax.training import update

    run = dljax.load(config.run)
    seeds = [seed for _, seed, _ in run.runs]
    if config.seed >= 0 and config.seed not in seeds:
        raise UserError(
            f"--seed={config.seed}: the run has {', '.join(map(str, seeds))}"
        )
    which = seeds.index(config.seed) if config.seed >= 0 else 0
    rows = run.source.split(seeds[which])[run.split]
    if config.example >= len(rows):
        raise UserError(f"--example={config.example}: there are {len(rows)}")
    state = jax.tree.map(lambda leaf: leaf[which], run.tested)
    row = rows[config.example : config.example + 1]
    shown = update.sample(run.task, run.source, state, row, run.source.arrays)
    params, model_state = update.averages(run.task, state)
    seen: list[dict[str, Any]] = []
    with record_cells(seen.append):
        batch = {**shown, "weight": jnp.ones(1)}
        run.task.metrics(params, model_state, batch, jax.random.key(0))
    if not seen:
        raise UserError(f"--run={config.run}: its network has no recurrent layer")
    parts = {name: np.asarray(part)[:, 0] for name, part in seen[0].items()}
    host = {name: np.asarray(value) for name, value in shown.items()}
    steps = len(parts["output"])
    masks = [host[name] for name in ("mask", "y_mask") if name in host]
    if masks:
        steps = int(masks[0].sum())
        parts = {name: part[:steps] for name, part in parts.items()}
    said = run.source.say(host) if run.source.say else {}
    if "pieces read" in said:
        return parts, list(said["pieces read"][0])[:steps]
    every = -(-steps // MOST)
    return parts, [str(i) if i % every == 0 else "" for i in range(steps)]


if __name__ == "__main__":
    from dljax.cli import guarded

    sys.exit(guarded(lambda: main(sys.argv[1:])))
