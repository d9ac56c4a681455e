"""`vader`: short texts rated by twenty people (Hutto and Gilbert 2014; MIT).

DIR has the files of hutto_ICWSM_2014 in github.com/cjhutto/vaderSentiment.

Tweets, product reviews and paragraphs of editorials, labelled negative or positive by
the sign of their mean rating; texts with mean 0 are dropped. The fourth published file,
of film reviews, is not read: it shares its sentences with `rt_polarity`, and a network
trained on one data set may be tested on the other. Read in place.
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
    """Lists the three files.

    Raises:
      UserError: a file is missing.
    """
    for name in FILES:
        if not (root / name).is_file():
            raise UserError(
                "manual-dir-incomplete",
                f"--manual_dir={root}: has no {name}; give a directory with "
                f"{', '.join(FILES)}",
            )
    return [root / name for name in FILES]


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Reads the texts: arrays {"text", "label"}, all in "train" (split by folds).

    Args:
      resize: ignored; text has no images.

    Raises:
      UserError: see `find`; a line does not have three fields.
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
                    f"{path}: line {number} is not an id, a rating and a text, "
                    "separated by tabs; restore the published file",
                    DAMAGED_DATA,
                ) from None
    examples = [(text, mean > 0) for text, mean in rated if mean]
    arrays = {
        "text": np.array([text.encode() for text, _ in examples]),
        "label": np.array([positive for _, positive in examples], np.int32),
    }
    rows = {"train": np.arange(len(examples))}
    return ArrayDataset("vader", "1.0.0", arrays, rows, ("negative", "positive"))
