"""`labelled_text`: your own texts with labels, a text, a tab and its label a line.

DIR has train.tsv and test.tsv, and may have valid.tsv; or one .tsv file of any name,
which is split by a hash of the text: eight tenths, one and one. Read in place.
"""

import pathlib

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.plain_text import PARTS, part_of, read_lines
from dljax.errors import DAMAGED_DATA, UserError


def find(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """The files, {"train", "test" (and "valid")}, or {"all"}.

    Raises:
      UserError: there are none, or others.
    """
    files = {path.stem: path for path in sorted(root.glob("*.tsv"))}
    if len(files) == 1 and not set(PARTS) & files.keys():
        return {"all": next(iter(files.values()))}
    if not {"train", "test"} <= files.keys() or files.keys() - set(PARTS):
        names = ", ".join(path.name for path in files.values()) or "none"
        raise UserError(
            "manual-dir-incomplete",
            f"--manual_dir={root}: labelled_text needs train.tsv and test.tsv, and "
            f"perhaps valid.tsv, or one .tsv file of another name; there is {names}",
        )
    return {part: files[part] for part in PARTS if part in files}


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Arrays {"text", "label"}; classes are in alphabetical order.

    Raises:
      UserError: see `find`; a line is damaged; a part is empty, or has a label that
        train has not.
    """
    del resize
    files = find(root)
    parts: dict[str, list[tuple[str, str]]] = {part: [] for part in PARTS}
    for name, path in files.items():
        for text, label in _labelled(path):
            parts[part_of(text) if name == "all" else name].append((text, label))
    filled = {k: rows for k, rows in parts.items() if rows or k in files}
    needed = [k for k in parts if k in files or k != "valid"]
    if empty := [k for k in needed if not parts[k]]:
        raise UserError(
            "too-few-examples", f"--manual_dir={root}: no text is for {empty[0]}"
        )
    names = sorted({label for _, label in parts["train"]})
    for part, rows in filled.items():
        if unknown := {label for _, label in rows} - set(names):
            raise UserError(
                "classes-differ",
                f"--manual_dir={root}: no text of {min(unknown)} is for training, and "
                f"{part} has some",
            )
    examples = [row for rows in filled.values() for row in rows]
    bounds = np.cumsum([len(rows) for rows in filled.values()])
    rows_of = np.split(np.arange(len(examples)), bounds[:-1])
    arrays = {
        "text": np.array([text.encode() for text, _ in examples]),
        "label": np.array([names.index(label) for _, label in examples], np.int32),
    }
    splits = dict(zip(filled, rows_of, strict=True))
    return ArrayDataset("labelled_text", "1.0.0", arrays, splits, tuple(names))


def _labelled(path: pathlib.Path) -> list[tuple[str, str]]:
    examples = []
    for number, line in enumerate(read_lines(path), 1):
        text, tab, label = (part.strip() for part in line.rpartition("\t"))
        if not (text and label):
            raise UserError(
                "damaged-text",
                f"{path}: line {number} is not a text, a tab and a label",
                DAMAGED_DATA,
            )
        examples.append((text, label))
    return examples
