"""`piano_roll`: music as piano rolls: binary arrays (steps, 88 keys).

DIR has one MATLAB file whose cells `traindata`, `validdata` and `testdata` hold arrays
(steps, 88): the format of JSB Chorales, Piano-midi.de, Nottingham and MuseData
(Boulanger-Lewandowski et al. 2012). Read in place.
"""

import pathlib
from collections.abc import Sequence

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import DAMAGED_DATA, UserError, first_line

KEYS = 88  # A0 to C8
LOWEST = 21  # A0 as a MIDI key
CELLS = {"train": "traindata", "valid": "validdata", "test": "testdata"}


def find(root: pathlib.Path) -> pathlib.Path:
    """The path of the MATLAB file.

    Raises:
      UserError: the directory does not have exactly one .mat file.
    """
    files = sorted(root.glob("*.mat"))
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "no .mat file"
        raise UserError(
            "manual-dir-incomplete",
            f"--manual_dir={root}: has {names}; give a directory with exactly one .mat "
            "file",
        )
    return files[0]


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Reads the pieces: arrays {"roll": uint8 (n, max_len, 88), "length": int32 (n,)}.

    Args:
      resize: ignored; piano rolls are not images.

    Raises:
      UserError: see `find`; the file is damaged, or lacks a cell.
    """
    del resize
    path = find(root)
    import scipy.io

    try:
        cells = scipy.io.loadmat(path)
    except Exception as error:  # loadmat raises many types
        raise UserError(
            "damaged-mat-file",
            f"{path}: cannot be read as a MATLAB file ({first_line(error)}); download "
            "it again",
            DAMAGED_DATA,
        ) from None
    rolls: list[np.ndarray] = []
    parts = {}
    for part, name in CELLS.items():
        pieces = list(np.ravel(cells.get(name, ())))
        if not pieces or any(np.ndim(r) != 2 or np.shape(r)[1] != KEYS for r in pieces):
            raise UserError(
                "unsupported-mat-file",
                f"{path}: has no cell {name} of arrays (steps, {KEYS}); give a file "
                f"with the cells {', '.join(CELLS.values())}",
            )
        parts[part] = np.arange(len(rolls), len(rolls) + len(pieces))
        rolls += pieces
    return ArrayDataset("piano_roll", "1.0.0", pad_rolls(rolls), parts, ())


def pad_rolls(rolls: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Pads n rolls (steps, 88) with zeros to the longest.

    Returns:
      `{"roll": uint8 (n, max_len, 88), "length": int32 (n,)}`, with rolls of 0 and 1,
      and lengths in steps.
    """
    length = np.array([len(roll) for roll in rolls], np.int32)
    arrays = np.zeros((len(rolls), length.max(), KEYS), np.uint8)
    for row, roll in zip(arrays, rolls, strict=True):
        row[: len(roll)] = roll != 0
    return {"roll": arrays, "length": length}
