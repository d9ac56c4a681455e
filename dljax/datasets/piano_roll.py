"""`piano_roll`: music as piano rolls, which of 88 keys sound at each step.

A MATLAB file with the cells `traindata`, `validdata` and `testdata` of arrays (steps,
88), as the classic sets come: JSB Chorales, Piano-midi.de, Nottingham, MuseData
(Boulanger-Lewandowski et al. 2012). Read in place.
"""

import pathlib
from collections.abc import Sequence

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import DAMAGED_DATA, UserError, first_line

KEYS = 88  # A0 to C8
LOWEST = 21  # A0 in MIDI's numbers
CELLS = {"train": "traindata", "valid": "validdata", "test": "testdata"}


def find(root: pathlib.Path) -> pathlib.Path:
    """The file.

    Raises:
      UserError: there is none, or more than one.
    """
    files = sorted(root.glob("*.mat"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise UserError(
            "manual-dir-incomplete",
            f"--manual_dir={root}: piano_roll needs a folder with one .mat file; "
            f"there is {names}",
        )
    return files[0]


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Arrays {"roll": uint8 (n, max_len, 88), "length": int32 (n,)}, in three parts.

    Raises:
      UserError: see `find`; the file is damaged or of another kind.
    """
    del resize
    path = find(root)
    import scipy.io

    try:
        cells = scipy.io.loadmat(path)
    except Exception as error:  # whatever a reader says of a bad file
        raise UserError(
            "damaged-mat-file",
            f"{path}: cannot be read as a MATLAB file ({first_line(error)})",
            DAMAGED_DATA,
        ) from None
    rolls: list[np.ndarray] = []
    parts = {}
    for part, name in CELLS.items():
        pieces = list(np.ravel(cells.get(name, ())))
        if not pieces or any(np.ndim(r) != 2 or np.shape(r)[1] != KEYS for r in pieces):
            raise UserError(
                "unsupported-mat-file",
                f"{path}: has no cell {name} of arrays (steps, {KEYS})",
            )
        parts[part] = np.arange(len(rolls), len(rolls) + len(pieces))
        rolls += pieces
    return ArrayDataset("piano_roll", "1.0.0", pad_rolls(rolls), parts, ())


def pad_rolls(rolls: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """{"roll": uint8 (n, max_len, 88), "length": int32 (n,)} of rolls (steps, 88)."""
    length = np.array([len(roll) for roll in rolls], np.int32)
    arrays = np.zeros((len(rolls), length.max(), KEYS), np.uint8)
    for row, roll in zip(arrays, rolls, strict=True):
        row[: len(roll)] = roll != 0
    return {"roll": arrays, "length": length}
