"""Fixed splits of a data set into training, validation and test examples.

digits         five stratified folds of 1,797; seed s tests on fold s mod 5, validates
               on the next and trains on 1,077 of the other three
lexicon, vader, image_folder and audio_folder
               the same where they have no parts of their own
labelled_text  of one file: by a hash of the text, eight tenths, one and one
rt_polarity    ten stratified folds, as is the custom
what has train and test
               the last 10 % of a fixed permutation of train is for validation (at
               most 5,000)
what has train, valid and test
               these three
colloid_video  by time: see `video.frame_stride`
"""

from collections.abc import Callable

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset

Split = Callable[[int], dict[str, np.ndarray]]


def split_by_seed(dataset: ArrayDataset) -> Split:
    """split(seed) -> {"train" | "valid" | "test": rows} (see the module)."""
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
    """Seed s tests on fold s, modulo the number of folds, and validates on the next."""
    from sklearn.model_selection import StratifiedKFold

    labels = dataset.arrays["label"]
    splitter = StratifiedKFold(dataset.folds, shuffle=True, random_state=0)
    folds = [rows for _, rows in splitter.split(labels, labels)]
    count = sum(sorted(map(len, folds))[:-2])  # the same for every seed

    def split(seed: int) -> dict[str, np.ndarray]:
        test, valid = seed % len(folds), (seed + 1) % len(folds)
        train = [rows for i, rows in enumerate(folds) if i not in (test, valid)]
        return {
            "train": np.concatenate(train)[:count],
            "valid": folds[valid],
            "test": folds[test],
        }

    return split
