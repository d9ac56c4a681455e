"""samples.npz: a few test examples of a trial, and what its networks make of them."""

import pathlib

import jax
import numpy as np

from dljax.contract import Source, State
from dljax.train.parallel import Program

COUNT = 10
TEXT = "text:"  # begins the names of what is text


def write(
    directory: pathlib.Path, program: Program, source: Source, state: State
) -> None:
    """Writes arrays (s, COUNT, ...) of batch and sample, and what they say as text."""
    arrays = jax.device_get(program.sample(state, "test", COUNT))
    count = len(program.seeds)
    arrays = {name: np.asarray(array)[:count] for name, array in arrays.items()}
    if source.say is not None:
        runs = range(count)
        told = [source.say({k: v[i] for k, v in arrays.items()}) for i in runs]
        texts = {k: np.array([one[k] for one in told]) for k in told[0]}
        arrays |= {f"{TEXT}{title}": text for title, text in texts.items()}
    np.savez_compressed(directory / "samples.npz", **arrays)
