"""samples.npz: a few test examples of a trial, and what its networks make of them."""

import pathlib

import jax
import numpy as np

from dljax.training.programs import Program
from dljax.types import Source, State

COUNT = 10
SAID = "said:"  # begins the names of what a source says of samples


def write(
    directory: pathlib.Path, program: Program, source: Source, state: State
) -> None:
    """Writes arrays (s, COUNT, ...) of batch and sample, and what the source says."""
    arrays = jax.device_get(program.sample(state, COUNT))
    count = len(program.seeds)
    arrays = {name: np.asarray(array)[:count] for name, array in arrays.items()}
    if source.say is not None:
        runs = range(count)
        told = [source.say({k: v[i] for k, v in arrays.items()}) for i in runs]
        said = {k: np.array([one[k] for one in told]) for k in told[0]}
        arrays |= {f"{SAID}{title}": its for title, its in said.items()}
    np.savez_compressed(directory / "samples.npz", **arrays)
