"""samples.npz: renderings of a few test examples and of each run's outputs for them.

The entry "index" is JSON: a list per run of {"kind", "fields", "arrays"}, where `kind`
names a record of `dljax.rendering`, `fields` contains its texts, and `arrays` maps the
names of its arrays to entries of the file.
"""

import dataclasses
import json
import pathlib
import typing
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from dljax.errors import DAMAGED_DATA, UserError
from dljax.rendering import Rendering, Renderings
from dljax.sources.image_rendering import render_samples
from dljax.training.programs import Program
from dljax.types import Source, State

COUNT = 10  # number of examples
KINDS = {kind.__name__: kind for kind in typing.get_args(Rendering)}
DAMAGED = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError),
    *(zipfile.BadZipFile, zlib.error),
)


def write(
    directory: pathlib.Path, program: Program, source: Source, state: State
) -> None:
    """Writes samples.npz: the renderings of COUNT test examples by each run."""
    arrays = jax.device_get(program.sample(state, COUNT))
    save(
        directory / "samples.npz",
        [
            render_samples(source, {k: np.asarray(v[i]) for k, v in arrays.items()})
            for i in range(len(program.seeds))
        ],
    )


def save(path: pathlib.Path, runs: Sequence[Renderings]) -> None:
    """Writes the renderings of each run to one file; `read` reads them."""
    index: list[list[dict[str, Any]]] = []
    arrays: dict[str, Any] = {}
    for i, renderings in enumerate(runs):
        index.append([])
        for j, record in enumerate(renderings):
            fields = {
                field.name: getattr(record, field.name)
                for field in dataclasses.fields(record)
            }
            names = {
                name: f"{i}/{j}/{name}"
                for name, value in fields.items()
                if isinstance(value, np.ndarray)
            }
            arrays |= {entry: fields.pop(name) for name, entry in names.items()}
            kind = type(record).__name__
            index[-1].append({"kind": kind, "fields": fields, "arrays": names})
    np.savez_compressed(path, index=np.array(json.dumps(index)), **arrays)


def read(path: pathlib.Path) -> list[Renderings]:
    """Reads the renderings of each run of a trial, in the order of its runs.

    Raises:
      UserError: the file is damaged, or written by an earlier version of dljax.
    """
    try:
        with np.load(path) as file:
            return [
                tuple(_record(file, entry) for entry in entries)
                for entries in json.loads(str(file["index"]))
            ]
    except DAMAGED:
        raise UserError(
            "damaged-samples",
            f"{path}: damaged, or written by an earlier version; delete the file, and "
            "the report shows no samples of this trial",
            DAMAGED_DATA,
        ) from None


def _record(file: Any, entry: dict[str, Any]) -> Rendering:
    fields = {name: _tuples(value) for name, value in entry["fields"].items()}
    arrays = {name: file[key] for name, key in entry["arrays"].items()}
    return KINDS[entry["kind"]](**fields, **arrays)


def _tuples(value: Any) -> Any:
    """Converts the lists of JSON back to tuples."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
