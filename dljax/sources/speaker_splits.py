"""Sources of recorded voices: tested on speakers of the training data, or on others."""

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import UserError
from dljax.sources.resident import resident
from dljax.types import Source

FOLDS = 5  # of recordings, or of speakers


def speaker_dependent(dataset: ArrayDataset) -> Source:
    """Seed s tests on the s-th of five folds of the recordings and validates on the
    next, stratified by class. Their speakers are in the training data too.

    Raises:
      UserError: the data set has no voices.
    """
    require_voices(dataset)
    rows = np.arange(len(dataset.arrays["label"]))
    return resident(dataset._replace(parts={"train": rows}, folds=FOLDS))


def speaker_independent(dataset: ArrayDataset) -> Source:
    """Seed s tests on every fifth speaker from the s-th on. It trains on the others and
    validates on a tenth of their recordings.

    Raises:
      UserError: the data set has no voices, or fewer than five.
    """
    require_voices(dataset)
    voices = dataset.arrays["voice"]
    if (count := len(np.unique(voices))) < FOLDS:
        raise UserError(
            "too-few-speakers",
            f"--dataset={dataset.name}: has {count} voices, and to test on others than "
            f"are learned from takes {FOLDS} at least",
        )
    fold = voices % FOLDS
    smallest = len(fold) - np.bincount(fold, minlength=FOLDS).max()
    num_train = 9 * smallest // 10  # the same for every seed

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
    """Raises UserError where the data are not recordings of voices."""
    if "voice" not in data.arrays:
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={data.name}: has no voices, and this takes them",
        )
