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

import functools

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset


def splits(table: ArrayDataset, seed: int) -> dict[str, np.ndarray]:
    """Which rows seed `seed` trains, validates and tests on (see the module)."""
    if "test" not in table.parts:
        return _folds(table, seed)
    if "valid" in table.parts:
        return dict(table.parts)
    train = np.random.default_rng(0).permutation(table.parts["train"])
    held = min(5000, max(1, len(train) // 10))
    return {
        "train": train[:-held],
        "valid": np.sort(train[-held:]),
        "test": table.parts["test"],
    }


@functools.lru_cache(maxsize=4)
def _fold_rows(labels: bytes, count: int) -> tuple[np.ndarray, ...]:
    from sklearn.model_selection import StratifiedKFold

    y = np.frombuffer(labels, np.int32)
    folds = StratifiedKFold(count, shuffle=True, random_state=0)
    return tuple(rows for _, rows in folds.split(y, y))


def _folds(table: ArrayDataset, seed: int) -> dict[str, np.ndarray]:
    folds = _fold_rows(table.arrays["label"].tobytes(), table.folds)
    test, valid = seed % len(folds), (seed + 1) % len(folds)
    train = np.concatenate([f for i, f in enumerate(folds) if i not in (test, valid)])
    smallest = sum(sorted(map(len, folds))[:-2])  # the same for every seed
    return {"train": train[:smallest], "valid": folds[valid], "test": folds[test]}
