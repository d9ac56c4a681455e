"""Fixed splits of a data set into training, validation and test examples.

By the published splits of the data set (`ArrayDataset.parts`):

train only: stratified folds. Seed s tests on fold s modulo the number of folds,
  validates on the next and trains on the others. Five folds (digits, with 1,077 of
  1,797 examples for training; lexicon; vader; image_folder and audio_folder without
  train/ and test/), or ten (rt_polarity, as in published results).
train, test: the last 10 % of a fixed permutation of train, at most 5,000 examples, are
  the validation split.
train, valid, test: as published.

Some data sets are split elsewhere: one file of labelled_text, and parallel_text, by a
hash (`plain_text.part_of`); colloid_video by time (`sources.video.frame_stride`).
"""

from collections.abc import Callable

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset

Split = Callable[[int], dict[str, np.ndarray]]


def split_by_seed(dataset: ArrayDataset) -> Split:
    """Returns split(seed) -> {"train" | "valid" | "test": int rows}; see the module.

    Every seed has equally many training examples.
    """
    if "test" not in dataset.parts:
        return _folds(dataset)
    if "valid" in dataset.parts:
        return lambda seed: dict(dataset.parts)
    train = np.random.default_rng(0).permutation(dataset.parts["train"])
    count = min(5000, max(1, len(train) // 10))
    parts = {
        "train": train[:-count],
        "valid": np.sort(train[-count:]),
        "test": dataset.parts["test"],
    }
    return lambda seed: dict(parts)


def _folds(dataset: ArrayDataset) -> Split:
    """Stratified folds: seed s tests on fold s mod folds and validates on the next."""
    from sklearn.model_selection import StratifiedKFold

    labels = dataset.arrays["label"]
    splitter = StratifiedKFold(dataset.folds, shuffle=True, random_state=0)
    folds = [rows for _, rows in splitter.split(labels, labels)]
    count = sum(sorted(map(len, folds))[:-2])  # equal for all seeds

    def split(seed: int) -> dict[str, np.ndarray]:
        test, valid = seed % len(folds), (seed + 1) % len(folds)
        train = [rows for i, rows in enumerate(folds) if i not in (test, valid)]
        return {
            "train": np.concatenate(train)[:count],
            "valid": folds[valid],
            "test": folds[test],
        }

    return split
