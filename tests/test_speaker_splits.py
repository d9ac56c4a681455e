"""Splits with speakers of the training data, and with unseen speakers."""

import numpy as np
from user_errors import user_error

from dljax.datasets.array_dataset import ArrayDataset
from dljax.sources import speaker_splits

rng = np.random.default_rng(0)
ARRAYS = {
    "image": rng.integers(0, 256, (260, 4, 4, 1)).astype(np.uint8),
    "label": np.arange(260, dtype=np.int32) % 10,
    "voice": np.arange(260, dtype=np.int32) // 20,  # 13 voices
}
DATASET = ArrayDataset(
    "sounds", "1", ARRAYS, {"train": np.arange(260)}, tuple("0123456789")
)


def parts(source, seed):
    rows_by_part = source.split(seed)
    all_rows = np.concatenate(list(rows_by_part.values()))
    assert len(set(all_rows)) == len(all_rows)
    return {name: ARRAYS["voice"][rows] for name, rows in rows_by_part.items()}


def test_independent_speakers_are_in_no_training_sound():
    tested = []
    for seed in range(5):
        voices = parts(speaker_splits.speaker_independent(DATASET), seed)
        assert len(voices["train"]) == 180  # as many as the seed with the fewest has
        assert len(voices["valid"]) >= 20
        assert not set(voices["test"]) & {*voices["train"], *voices["valid"]}
        tested += sorted(set(voices["test"]))
    assert sorted(tested) == list(range(13))


def test_too_few_voices_raise_user_error():
    few = DATASET._replace(arrays={**ARRAYS, "voice": ARRAYS["voice"] % 4})
    with user_error("too-few-speakers", "--dataset=sounds", 4, 5):
        speaker_splits.speaker_independent(few)


def test_dependent_speakers_are_in_training_sounds():
    for seed in range(5):
        voices = parts(speaker_splits.speaker_dependent(DATASET), seed)
        assert set(voices["test"]) <= set(voices["train"])
        labels = ARRAYS["label"][
            speaker_splits.speaker_dependent(DATASET).split(seed)["test"]
        ]
        assert np.abs(np.bincount(labels) - len(labels) / 10).max() < 1


def test_sounds_without_voices_raise_user_error():
    arrays = {k: v for k, v in ARRAYS.items() if k != "voice"}
    for split in (speaker_splits.speaker_dependent, speaker_splits.speaker_independent):
        with user_error("dataset-wrong-kind", "--dataset=sounds"):
            split(DATASET._replace(arrays=arrays))
