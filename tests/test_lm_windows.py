"""Running text: its windows, its parts, its vocabulary; one's own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dljax.datasets import loading, location, text_file
from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import UserError
from dljax.sources import lm_windows
from dljax.sources.vocabulary import UNKNOWN

TEXTS = {"train": "abcdefghij" * 10, "valid": "abc" * 10, "test": "a?b" * 9}
CONTEXT = 4


def table(**texts):
    texts = TEXTS | texts
    rows = {name: np.array([i]) for i, name in enumerate(texts)}
    arrays = {"text": np.array([text.encode() for text in texts.values()])}
    return ArrayDataset("text", "1", arrays, rows, ())


def made(**options):
    return lm_windows.lm_windows(table(), **{"context": CONTEXT, **options})


def batch(source, part):
    return source.gather(source.arrays, jnp.asarray(source.split(0)[part]))


@pytest.mark.parametrize("part", ["valid", "test"])
def test_each_token_but_the_first_counts_once(part):
    found = made()
    its = batch(found, part)
    there = np.asarray(its["y"])[np.asarray(its["y_mask"]) > 0]
    expected = found.details.vocabulary.encode(TEXTS[part])
    np.testing.assert_array_equal(there, expected[1:])
    np.testing.assert_array_equal(its["x"][0], expected[:CONTEXT])
    np.testing.assert_array_equal(its["y"][0], expected[1 : CONTEXT + 1])


def test_what_is_not_in_the_training_text_is_unknown():
    found = made()
    assert found.details.vocabulary.encode("?") == [UNKNOWN]
    assert UNKNOWN in np.asarray(batch(found, "test")["x"])
    with pytest.raises(UserError, match=r"--prompt: \? is not in the text"):
        found.encode_prompts(["ab?"])


def test_an_epoch_is_windows_side_by_side_at_a_phase_of_its_own():
    source = made()
    rows = jnp.asarray(source.split(0)["train"])
    phases = set()
    for seed in range(12):
        moved = np.sort(source.order(jax.random.key(seed), rows))
        assert (np.diff(moved) == CONTEXT).all()
        phases.add(int(moved[0]))
        last = source.gather(source.arrays, jnp.asarray(moved[-1:]))
        assert last["y_mask"].all()  # it ends within the training text
    assert phases == set(range(CONTEXT))


def test_joined_parts_are_one_text():
    expected = made().details.vocabulary.encode(TEXTS["valid"] + TEXTS["test"])
    its = batch(made(joined=True), "test")
    there = np.asarray(its["y"])[np.asarray(its["y_mask"]) > 0]
    np.testing.assert_array_equal(there, expected[1:])


def test_a_window_its_continuation_and_the_generated_one_are_rendered():
    found = made()
    its = batch(found, "train")
    renderings = found.render({**its, "prediction": np.asarray(its["y"])})
    texts = {record.title: (record.role, record.texts[0]) for record in renderings}
    assert texts == {
        "context": ("real", "abcd"),
        "real continuation": ("real", "efgh"),
        "continuation": ("generated", "bcde"),
    }


def test_a_part_that_is_too_short_is_refused():
    with pytest.raises(UserError, match="valid has 3 tokens, which is less than two"):
        lm_windows.lm_windows(table(valid="abc"), context=CONTEXT)


def test_what_is_no_running_text_is_refused():
    other = table()._replace(arrays={"text": np.array([b"a"]), "label": np.array([0])})
    with pytest.raises(UserError, match="is no running text, and this takes it"):
        lm_windows.lm_windows(other)


def test_pythons_reference_is_there_with_nothing_downloaded(data_dir):
    found = loading.load(location.find("python_reference", data_dir=data_dir))
    text = b"".join(found.arrays["text"]).decode()
    assert found.parts.keys() == {"train", "valid", "test"}
    assert len(text) > 400_000
    assert 'The "if" statement' in text


def test_a_text_of_ones_own_is_read_where_it_is(tmp_path):
    (tmp_path / "mine.txt").write_text("äbc\n" * 100, "utf-8")
    place = location.find("text_file", manual_dir=str(tmp_path))
    found = loading.load(place)
    texts = [text.decode() for text in found.arrays["text"]]
    assert "".join(texts) == "äbc\n" * 100
    assert [len(text) for text in texts] == [360, 20, 20]


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(UserError, match="text_file needs one .txt file; there is none"):
        text_file.find(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name)
    with pytest.raises(UserError, match=r"there is a.txt, b.txt"):
        text_file.find(tmp_path)
    (tmp_path / "b.txt").unlink()
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match=r"a.txt: is not UTF-8"):
        text_file.read(tmp_path, 0)
