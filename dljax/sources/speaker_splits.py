"""Sounds of voices: tested on voices that a net knows, or on others."""

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import UserError
from dljax.sources.resident import resident
from dljax.types import Source

PARTS = 5  # that examples, or voices, are dealt to


def known(table: ArrayDataset) -> Source:
    """Seed s tests on the s-th fifth of all sounds, and validates on the next, each of
    as many of each class; their voices are among those that it learns from.

    Raises:
      UserError: see `new`.
    """
    check(table)
    every = np.arange(len(table.arrays["label"]))
    return resident(table._replace(parts={"train": every}, folds=PARTS))


def new(table: ArrayDataset) -> Source:
    """Seed s tests on every fifth voice from the s-th on; it learns from the others,
    and validates on a tenth of their sounds.

    Raises:
      UserError: the table has no voices, or too few.
    """
    check(table)
    if (count := len(np.unique(table.arrays["voice"]))) < PARTS:
        raise UserError(
            f"--dataset={table.name}: has {count} voices, and to test on others than "
            f"are learned from takes {PARTS} at least"
        )
    turn = table.arrays["voice"] % PARTS
    rest = len(turn) - np.bincount(turn, minlength=PARTS).max()
    learned = 9 * rest // 10  # the same for every seed

    def split(seed):
        test = turn == seed % PARTS
        others = np.random.default_rng(seed).permutation(np.flatnonzero(~test))
        return {
            "train": others[:learned],
            "valid": others[learned:],
            "test": np.flatnonzero(test),
        }

    parts = split(0)
    return resident(table)._replace(
        split=split,
        test_train_ratio=len(parts["test"]) / len(parts["train"]),
        fingerprint=f"{table.fingerprint}-voices",
    )


def check(table: ArrayDataset | Source) -> None:
    """Refuses what is of no voices, so of no sounds."""
    if "voice" not in table.arrays:
        raise UserError(f"--dataset={table.name}: has no voices, and this takes them")
