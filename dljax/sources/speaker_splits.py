"""Splits of recorded voices: tested on the training speakers, or on unseen ones."""

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import UserError
from dljax.sources.resident import resident
from dljax.types import Source

FOLDS = 5  # of recordings, or of speakers


def speaker_dependent(dataset: ArrayDataset) -> Source:
    """Returns a source whose test speakers are in the training data too.

    Five folds of the recordings, stratified by class: seed s tests on fold s mod 5 and
    validates on the next.

    Args:
      dataset: sounds (see `ArrayDataset`).

    Raises:
      UserError: the data set has no voices.
    """
    require_voices(dataset)
    rows = np.arange(len(dataset.arrays["label"]))
    return resident(dataset._replace(parts={"train": rows}, folds=FOLDS))


def speaker_independent(dataset: ArrayDataset) -> Source:
    """Returns a source whose test speakers are in no training data.

    Seed s tests on every fifth speaker, from speaker s mod 5 on. It trains on nine
    tenths of the recordings of the other speakers and validates on the rest.

    Args:
      dataset: sounds (see `ArrayDataset`).

    Raises:
      UserError: the data set has no voices, or fewer than five.
    """
    require_voices(dataset)
    voices = dataset.arrays["voice"]
    if (count := len(np.unique(voices))) < FOLDS:
        raise UserError(
            "too-few-speakers",
            f"--dataset={dataset.name}: has {count} voices; tests on unseen speakers "
            f"need at least {FOLDS}; add recordings of other speakers",
        )
    fold = voices % FOLDS
    smallest = len(fold) - np.bincount(fold, minlength=FOLDS).max()
    num_train = 9 * smallest // 10  # equal for all seeds

    def split(seed):
        test = fold == seed % FOLDS
        others = np.random.default_rng(seed).permutation(np.flatnonzero(~test))
        return {
            "train": others[:num_train],
            "valid": others[num_train:],
            "test": np.flatnonzero(test),
        }

    parts = split(0)
    return resident(dataset)._replace(
        split=split,
        test_train_ratio=len(parts["test"]) / len(parts["train"]),
        fingerprint=f"{dataset.fingerprint}-voices",
    )


def require_voices(data: ArrayDataset | Source) -> None:
    """Checks that data are recordings of voices.

    Raises:
      UserError: there is no array "voice".
    """
    if "voice" not in data.arrays:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={data.name}: has no voices; give a data set of recordings, "
            "such as spoken_digit",
        )
