"""Draws the gates and states of a trained LSTM on one test example.

An LSTM works in five steps: input, previous memory, gating, update of the memory,
output. The figure shows them for every neuron at every time step of a sentence, a
chorale or the rows of an image. TRIAL is a trial of a recurrent network:

    python -m experiments.sentiment
    python -m experiments.lstm_trace --run=runs/sentiment-lexicon/TRIAL --example=3

The script writes TRIAL/trace.svg, for the first layer that reads forwards.
"""

import dataclasses
import sys
from typing import Any

from dljax.config import flag

from . import finished_run
from .finished_run import RunFlags

MAX_LABELS = 60  # of the time axis


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunFlags):
    """Flags of lstm_trace."""

    example: int = flag(0, "index of the test example", low=0)


def main(arguments):
    """Draws the figure; returns the exit code.

    Raises:
      UserError: a wrong flag, or a network without recurrent layers.
    """
    from dljax.errors import DONE

    if (parsed := finished_run.parse(Config, arguments, doc=__doc__)) is None:
        return DONE
    config, directory = parsed
    gates, labels = trace(config)
    from dljax.reporting import figures, gate_figures

    figures.save(gate_figures.draw_trace(gates, labels), directory, "trace")
    print(f"figure   {directory / 'trace.svg'}")
    return DONE


def trace(config):
    """Computes the gates and states of the first recurrent layer on one example.

    Returns:
      ({gate or state: (t, neurons)}, a label per time step).

    Raises:
      UserError: the example does not exist, or the network has no recurrent layer.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    from dljax.errors import UserError
    from dljax.models.cell import record_cells
    from dljax.rendering import InputTokens, of_kind
    from dljax.training import update

    trial, seed, state = finished_run.load(config)
    task, source = trial.task, trial.source
    rows = source.split(seed)[trial.split]
    if config.example >= len(rows):
        raise UserError(
            "unknown-example",
            f"--example={config.example}: must be less than {len(rows)}",
        )
    row = rows[config.example : config.example + 1]
    batch = update.sample(task, source, state, row, source.arrays)
    params, model_state = update.eval_params(task, state)
    layers: list[dict[str, Any]] = []
    with record_cells(layers.append):
        weighted = {**batch, "weight": jnp.ones(1)}
        task.metrics(params, model_state, weighted, jax.random.key(0))
    if not layers:
        raise UserError(
            "not-recurrent",
            f"--run={config.run}: the network has no recurrent layer; give another "
            "trial",
        )
    gates = {name: np.asarray(value)[:, 0] for name, value in layers[0].items()}
    host = {name: np.asarray(value) for name, value in batch.items()}
    steps = len(gates["output"])
    masks = [host[name] for name in ("mask", "y_mask") if name in host]
    if masks:
        steps = int(masks[0].sum())
        gates = {name: value[:steps] for name, value in gates.items()}
    renderings = source.render(host) if source.render else ()
    for record in of_kind(renderings, InputTokens):
        return gates, list(record.tokens[0])[:steps]
    interval = -(-steps // MAX_LABELS)
    return gates, [str(i) if i % interval == 0 else "" for i in range(steps)]


if __name__ == "__main__":
    from dljax.cli import guarded

    sys.exit(guarded(lambda: main(sys.argv[1:])))
