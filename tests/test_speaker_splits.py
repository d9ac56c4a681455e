"""Sounds of voices that are known, and of new ones."""

import numpy as np
import pytest

from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import UserError
from dljax.sources import speaker_splits

rng = np.random.default_rng(0)
ARRAYS = {
    "image": rng.integers(0, 256, (260, 4, 4, 1)).astype(np.uint8),
    "label": np.arange(260, dtype=np.int32) % 10,
    "voice": np.arange(260, dtype=np.int32) // 20,  # 13 voices
}
TABLE = ArrayDataset(
    "sounds", "1", ARRAYS, {"train": np.arange(260)}, tuple("0123456789")
)


def parts(source, seed):
    found = source.split(seed)
    rows = np.concatenate(list(found.values()))
    assert len(set(rows)) == len(rows)
    return {name: ARRAYS["voice"][its] for name, its in found.items()}


def test_new_voices_are_those_of_no_training_sound():
    tested = []
    for seed in range(5):
        found = parts(speaker_splits.speaker_independent(TABLE), seed)
        assert len(found["train"]) == 180  # of the seed with the fewest
        assert len(found["valid"]) >= 20
        assert not set(found["test"]) & {*found["train"], *found["valid"]}
        tested += sorted(set(found["test"]))
    assert sorted(tested) == list(range(13))


def test_too_few_voices_are_refused_in_a_line():
    few = TABLE._replace(arrays={**ARRAYS, "voice": ARRAYS["voice"] % 4})
    with pytest.raises(UserError, match="has 4 voices, .* takes 5 at least"):
        speaker_splits.speaker_independent(few)


def test_known_voices_are_those_of_training_sounds():
    for seed in range(5):
        found = parts(speaker_splits.speaker_dependent(TABLE), seed)
        assert set(found["test"]) <= set(found["train"])
        labels = ARRAYS["label"][
            speaker_splits.speaker_dependent(TABLE).split(seed)["test"]
        ]
        assert np.abs(np.bincount(labels) - len(labels) / 10).max() < 1


def test_what_has_no_voices_is_refused():
    arrays = {k: v for k, v in ARRAYS.items() if k != "voice"}
    for split in (speaker_splits.speaker_dependent, speaker_splits.speaker_independent):
        with pytest.raises(UserError, match="--dataset=sounds: has no voices"):
            split(TABLE._replace(arrays=arrays))
