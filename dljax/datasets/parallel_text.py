"""`parallel_text`: your own sentences in two languages, a line each, aligned.

DIR has two files with one stem, as text.de and text.en; what is first in the alphabet
is translated into the other. Split by a hash of the source: eight tenths, one and one.
Read in place.
"""

import pathlib

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.plain_text import PARTS, part_of, read_lines
from dljax.errors import DAMAGED_DATA, UserError


def find(root: pathlib.Path) -> list[pathlib.Path]:
    """The two files, source and target.

    Raises:
      UserError: there are not two of one stem.
    """
    files = [p for p in sorted(root.iterdir()) if p.is_file() and p.name[0] != "."]
    if len(files) != 2 or files[0].stem != files[1].stem:
        names = ", ".join(path.name for path in files[:5]) or "none"
        raise UserError(
            "manual-dir-incomplete",
            f"--manual_dir={root}: parallel_text needs two files with one stem, as "
            f"text.de and text.en; there is {names}",
        )
    return files


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Arrays {"source", "target"}; pairs with an empty side are left out.

    Raises:
      UserError: see `find`; the files differ in length; a part is empty.
    """
    del resize
    source, target = find(root)
    sides = [read_lines(path) for path in (source, target)]
    if len(sides[0]) != len(sides[1]):
        raise UserError(
            "line-counts-differ",
            f"--manual_dir={root}: {source.name} has {len(sides[0])} lines and "
            f"{target.name} {len(sides[1])}; line by line they must be translations",
            DAMAGED_DATA,
        )
    pairs = [(a, b) for a, b in zip(*sides, strict=True) if a and b]
    parts = np.array([part_of(a) for a, _ in pairs])
    rows = {part: np.flatnonzero(parts == part) for part in PARTS}
    if empty := [part for part, indices in rows.items() if not len(indices)]:
        raise UserError(
            "too-few-examples",
            f"--manual_dir={root}: {len(pairs)} pairs are too few; none is for "
            f"{empty[0]}",
        )
    arrays = {
        name: np.array([pair[i].encode() for pair in pairs])
        for i, name in enumerate(("source", "target"))
    }
    return ArrayDataset("parallel_text", "1.0.0", arrays, rows, ())
