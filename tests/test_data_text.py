"""Published sets of text, from small files in the published format."""

import gzip

import numpy as np
import pytest
from published_files import publish

from dljax.datasets.loading import load
from dljax.datasets.location import find
from dljax.datasets.splits import split_by_seed
from dljax.datasets.text_builders import BUILDERS


def write(path, lines):
    text = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Returns read(name, **{file name: lines}) -> ArrayDataset."""

    def read_files(name, **files):
        folder = tmp_path / "files"
        folder.mkdir()
        for file, lines in files.items():
            write(folder / file, lines)
        builder = BUILDERS[name]
        publish(monkeypatch, builder, builder.URL.removesuffix("input.txt"), folder)
        return load(find(name, data_dir=str(tmp_path), manual_dir=str(folder)))

    return read_files


@pytest.mark.parametrize(
    ("name", "language"), [("multi30k", "de"), ("multi30k_fr", "fr")]
)
def test_captions_have_the_parts_of_their_files(read, name, language):
    files, counts = {}, {"train": 20, "val": 4, "test_2016_flickr": 5}
    for part, count in counts.items():
        for side in (language, "en"):
            lines = [f"{side} {part} {i}\u2028odd" for i in range(count)]
            files[f"{part}.{side}.gz"] = lines
    dataset = read(name, **files)
    sizes = {part: len(rows) for part, rows in dataset.parts.items()}
    assert sizes == {"train": 20, "valid": 4, "test": 5}
    row = dataset.parts["test"][3]
    pair = [dataset.arrays[side][row].decode() for side in ("source", "target")]
    assert pair == [f"{s} test_2016_flickr 3\u2028odd" for s in (language, "en")]


@pytest.mark.parametrize(
    ("name", "language"),
    [("tatoeba_de", "deu"), ("tatoeba_fr", "fra"), ("tatoeba_es", "spa")],
)
def test_sentences_are_split_by_a_hash_of_their_source(read, name, language):
    sides = {
        side: [f"{side} {i % 90}" for i in range(100)] for side in (language, "eng")
    }
    stem = f"tatoeba.{language}-eng"
    dataset = read(name, **{f"{stem}.{side}": lines for side, lines in sides.items()})
    assert set(dataset.parts) == {"train", "valid", "test"}
    assert sum(map(len, dataset.parts.values())) == 100
    sources = {
        part: {dataset.arrays["source"][row] for row in rows}
        for part, rows in dataset.parts.items()
    }
    # Repeated sources are in one part.
    assert not sources["train"] & sources["test"]
    pairs = zip(dataset.arrays["source"], dataset.arrays["target"], strict=True)
    assert all(s.split()[1] == t.split()[1] for s, t in pairs)


def test_the_last_tenth_of_shakespeare_is_validated_and_tested_on(read):
    text = [f"{i:03d} to be" for i in range(100)]
    dataset = read("tiny_shakespeare", **{"input.txt": text})
    whole = "".join(f"{line}\n" for line in text)
    cut = round(0.9 * len(whole)), round(0.95 * len(whole))
    texts = {k: dataset.arrays["text"][rows[0]] for k, rows in dataset.parts.items()}
    assert texts["train"].decode() == whole[: cut[0]]
    assert texts["valid"].decode() == whole[cut[0] : cut[1]]
    assert texts["test"].decode() == whole[cut[1] :]


def test_sentences_of_reviews_have_folds_of_both_classes(read):
    files = {
        f"rt-polarity.{kind}": [f"{kind} {i}" for i in range(50)]
        for kind in ("pos", "neg")
    }
    dataset = read("rt_polarity", **files)
    assert dataset.classes == ("negative", "positive")
    kinds = [text.decode()[:3] for text in dataset.arrays["text"]]
    assert [("neg", "pos")[label] for label in dataset.arrays["label"]] == kinds
    split = split_by_seed(dataset)
    for rows in split(3).values():
        assert set(dataset.arrays["label"][rows]) == {0, 1}
    tests = np.concatenate(
        [split_by_seed(dataset)(seed)["test"] for seed in range(dataset.folds)]
    )
    assert sorted(tests) == list(range(100))
