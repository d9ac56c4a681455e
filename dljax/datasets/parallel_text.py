"""`parallel_text`: a user's sentences in two languages, aligned line by line.

DIR has two files with one stem, such as text.de and text.en; the first by name is the
source, the second the target. Split 8:1:1 by a hash of the source (see
`plain_text.part_of`). Read in place.
"""

import pathlib

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.plain_text import PARTS, part_of, read_lines
from dljax.errors import DAMAGED_DATA, UserError


def find(root: pathlib.Path) -> list[pathlib.Path]:
    """Lists the source and the target file.

    Raises:
      UserError: the directory does not have exactly two files with one stem.
    """
    files = [p for p in sorted(root.iterdir()) if p.is_file() and p.name[0] != "."]
    if len(files) != 2 or files[0].stem != files[1].stem:
        names = ", ".join(path.name for path in files[:5]) or "no files"
        raise UserError(
            "manual-dir-incomplete",
            f"--manual_dir={root}: has {names}; give a directory with exactly two "
            "files of one stem, such as text.de and text.en",
        )
    return files


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Reads the pairs: arrays {"source", "target"}; drops pairs with an empty line.

    Args:
      resize: ignored; text has no images.

    Raises:
      UserError: see `find`; the files differ in their numbers of lines; or a split is
        empty.
    """
    del resize
    source, target = find(root)
    sides = [read_lines(path) for path in (source, target)]
    if len(sides[0]) != len(sides[1]):
        raise UserError(
            "line-counts-differ",
            f"--manual_dir={root}: {source.name} has {len(sides[0])} lines and "
            f"{target.name} {len(sides[1])}; align the files line by line",
            DAMAGED_DATA,
        )
    pairs = [(a, b) for a, b in zip(*sides, strict=True) if a and b]
    parts = np.array([part_of(a) for a, _ in pairs])
    rows = {part: np.flatnonzero(parts == part) for part in PARTS}
    if empty := [part for part, indices in rows.items() if not len(indices)]:
        raise UserError(
            "too-few-examples",
            f"--manual_dir={root}: {len(pairs)} pairs leave the {empty[0]} split empty"
            "; add lines",
        )
    arrays = {
        name: np.array([pair[i].encode() for pair in pairs])
        for i, name in enumerate(("source", "target"))
    }
    return ArrayDataset("parallel_text", "1.0.0", arrays, rows, ())
