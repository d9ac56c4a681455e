"""`labelled_text`: a user's labelled texts, one per line: text, tab, label.

DIR has train.tsv, test.tsv and optionally valid.tsv; or one .tsv file of another name,
which is split 8:1:1 by a hash of the text (see `plain_text.part_of`). Read in place.
"""

import pathlib

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.plain_text import PARTS, part_of, read_lines
from dljax.errors import DAMAGED_DATA, UserError


def find(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Lists the files: {"train": path, "test": path}, and "valid" if given; or {"all"}.

    Raises:
      UserError: the directory has no or other .tsv files.
    """
    files = {path.stem: path for path in sorted(root.glob("*.tsv"))}
    if len(files) == 1 and not set(PARTS) & files.keys():
        return {"all": next(iter(files.values()))}
    if not {"train", "test"} <= files.keys() or files.keys() - set(PARTS):
        names = ", ".join(path.name for path in files.values()) or "no .tsv file"
        raise UserError(
            "manual-dir-incomplete",
            f"--manual_dir={root}: has {names}; give a directory with train.tsv, "
            "test.tsv and optionally valid.tsv, or with one .tsv file of another name",
        )
    return {part: files[part] for part in PARTS if part in files}


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Reads the texts: arrays {"text", "label"}; classes are sorted by name.

    Args:
      resize: ignored; text has no images.

    Raises:
      UserError: see `find`; a line has no tab; a split is empty; or a label does not
        occur in the training split.
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
            "too-few-examples",
            f"--manual_dir={root}: the {empty[0]} split has no text; add lines",
        )
    names = sorted({label for _, label in parts["train"]})
    for part, rows in filled.items():
        if unknown := {label for _, label in rows} - set(names):
            raise UserError(
                "classes-differ",
                f"--manual_dir={root}: label {min(unknown)} is in the {part} split, "
                "but not in the train split; add training texts of it, or correct it",
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
                f"{path}: line {number} is not a text, a tab and a label; correct it",
                DAMAGED_DATA,
            )
        examples.append((text, label))
    return examples
