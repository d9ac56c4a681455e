"""Windows of running text: splits, vocabulary, renderings, the user's files."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from user_errors import user_error

from dljax.datasets import loading, location, text_file
from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import DAMAGED_DATA
from dljax.sources import lm_windows
from dljax.sources.vocabulary import UNKNOWN

TEXTS = {"train": "abcdefghij" * 10, "valid": "abc" * 10, "test": "a?b" * 9}
CONTEXT = 4


def table(**texts):
    texts = TEXTS | texts
    rows = {name: np.array([i]) for i, name in enumerate(texts)}
    arrays = {"text": np.array([text.encode() for text in texts.values()])}
    return ArrayDataset("text", "1", arrays, rows, ())


def windows(**options):
    return lm_windows.lm_windows(table(), **{"context": CONTEXT, **options})


def batch(source, part):
    return source.gather(source.arrays, jnp.asarray(source.split(0)[part]))


@pytest.mark.parametrize("part", ["valid", "test"])
def test_each_token_but_the_first_counts_once(part):
    source = windows()
    examples = batch(source, part)
    targets = np.asarray(examples["y"])[np.asarray(examples["y_mask"]) > 0]
    expected = source.details.vocabulary.encode(TEXTS[part])
    np.testing.assert_array_equal(targets, expected[1:])
    np.testing.assert_array_equal(examples["x"][0], expected[:CONTEXT])
    np.testing.assert_array_equal(examples["y"][0], expected[1 : CONTEXT + 1])


def test_tokens_outside_the_training_text_are_unknown():
    source = windows()
    assert source.details.vocabulary.encode("?") == [UNKNOWN]
    assert UNKNOWN in np.asarray(batch(source, "test")["x"])
    with user_error("unknown-token", "--prompt", " ? "):
        source.encode_prompts(["ab?"])


def test_an_epoch_is_windows_side_by_side_at_a_phase_of_its_own():
    source = windows()
    rows = jnp.asarray(source.split(0)["train"])
    phases = set()
    for seed in range(12):
        shifted = np.sort(source.order(jax.random.key(seed), rows))
        assert (np.diff(shifted) == CONTEXT).all()
        phases.add(int(shifted[0]))
        last = source.gather(source.arrays, jnp.asarray(shifted[-1:]))
        assert last["y_mask"].all()  # the window ends within the training text
    assert phases == set(range(CONTEXT))


def test_joined_parts_are_one_text():
    expected = windows().details.vocabulary.encode(TEXTS["valid"] + TEXTS["test"])
    examples = batch(windows(joined=True), "test")
    targets = np.asarray(examples["y"])[np.asarray(examples["y_mask"]) > 0]
    np.testing.assert_array_equal(targets, expected[1:])


def test_a_window_its_continuation_and_the_generated_one_are_rendered():
    source = windows()
    examples = batch(source, "train")
    renderings = source.render({**examples, "prediction": np.asarray(examples["y"])})
    texts = {record.title: (record.role, record.texts[0]) for record in renderings}
    assert texts == {
        "context": ("real", "abcd"),
        "real continuation": ("real", "efgh"),
        "continuation": ("generated", "bcde"),
    }


def test_a_part_that_is_too_short_is_refused():
    with user_error("too-few-examples", "--dataset=text", "valid", 3, CONTEXT):
        lm_windows.lm_windows(table(valid="abc"), context=CONTEXT)


def test_labelled_text_is_refused():
    other = table()._replace(arrays={"text": np.array([b"a"]), "label": np.array([0])})
    names = ("--dataset=text", "python_reference", "text_file")
    with user_error("dataset-wrong-kind", *names):
        lm_windows.lm_windows(other)


def test_pythons_reference_is_there_with_nothing_downloaded(data_dir):
    dataset = loading.load(location.find("python_reference", data_dir=data_dir))
    text = b"".join(dataset.arrays["text"]).decode()
    assert dataset.parts.keys() == {"train", "valid", "test"}
    assert len(text) > 400_000
    assert 'The "if" statement' in text


def test_a_users_text_is_read_in_place(tmp_path):
    (tmp_path / "mine.txt").write_text("äbc\n" * 100, "utf-8")
    dataset = loading.load(location.find("text_file", manual_dir=str(tmp_path)))
    texts = [text.decode() for text in dataset.arrays["text"]]
    assert "".join(texts) == "äbc\n" * 100
    assert [len(text) for text in texts] == [360, 20, 20]


def test_other_folders_are_refused(tmp_path):
    flag = f"--manual_dir={tmp_path}"
    with user_error("manual-dir-incomplete", flag, ".txt"):
        text_file.find(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name)
    with user_error("manual-dir-incomplete", flag, "a.txt", "b.txt"):
        text_file.find(tmp_path)
    (tmp_path / "b.txt").unlink()
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\xff")
    with user_error("not-utf-8", tmp_path / "a.txt", code=DAMAGED_DATA):
        text_file.read(tmp_path, 0)
