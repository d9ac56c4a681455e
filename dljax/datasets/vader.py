"""`vader`: sentences that twenty people rated (Hutto and Gilbert 2014; MIT).

Tweets, reviews of products and paragraphs of editorials, negative or positive by the
mean of their ratings; what is rated 0 on average is left out. The fourth file, of film
reviews, has the sentences of `rt_polarity`, and is left out too: so what is trained on
one can be tested on the other. Read in place.
"""

import pathlib

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import DAMAGED_DATA, UserError

FILES = tuple(
    f"{kind}_GroundTruth.txt"
    for kind in ("amazonReviewSnippets", "nytEditorialSnippets", "tweets")
)


def find(root: pathlib.Path) -> list[pathlib.Path]:
    """The files.

    Raises:
      UserError: one is missing.
    """
    for name in FILES:
        if not (root / name).is_file():
            raise UserError(
                "manual-dir-incomplete",
                f"--manual_dir={root}: no {name} there; vader needs {', '.join(FILES)}",
            )
    return [root / name for name in FILES]


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Arrays {"text", "label"}, split by folds.

    Raises:
      UserError: see `find`; a line is damaged.
    """
    del resize
    rated = []
    for path in find(root):
        lines = path.read_text("utf-8", errors="replace").rstrip("\n").split("\n")
        for number, line in enumerate(lines, 1):
            try:
                _, mean, text = line.split("\t", 2)
                rated.append((text.strip(), float(mean)))
            except ValueError:
                raise UserError(
                    "damaged-text",
                    f"{path}: line {number} is not an id, a rating and a text, with "
                    "tabs between",
                    DAMAGED_DATA,
                ) from None
    examples = [(text, mean > 0) for text, mean in rated if mean]
    arrays = {
        "text": np.array([text.encode() for text, _ in examples]),
        "label": np.array([positive for _, positive in examples], np.int32),
    }
    rows = {"train": np.arange(len(examples))}
    return ArrayDataset("vader", "1.0.0", arrays, rows, ("negative", "positive"))
