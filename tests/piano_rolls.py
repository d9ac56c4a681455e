"""Piano rolls in the format of the classic MATLAB files."""

import numpy as np
import scipy.io

LENGTHS = {"traindata": (5, 3, 7), "validdata": (4,), "testdata": (2, 6)}


def random_rolls(lengths=None):
    """Returns {cell: [uint8 (steps, 88)]} of random keys."""
    rng = np.random.default_rng(0)
    return {
        name: [(rng.random((n, 88)) < 0.1).astype(np.uint8) for n in pieces]
        for name, pieces in (lengths or LENGTHS).items()
    }


def write_mat(folder, parts, name="music.mat"):
    """Writes the cells of piano rolls to a MATLAB file in a folder."""
    cells = {}
    for part, pieces in parts.items():
        cells[part] = np.empty((1, len(pieces)), object)
        cells[part][0] = [*pieces, None][:-1]
    scipy.io.savemat(folder / name, cells)
