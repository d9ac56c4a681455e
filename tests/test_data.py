"""Data sets: real values, fixed splits, no network, clear errors."""

import gzip
import hashlib
import pathlib
import struct

import jax
import numpy as np
import pytest

from dljax import data
from dljax.data import builders, find, load, splits
from dljax.data.source import resident, shuffle_pixels
from dljax.errors import DAMAGED_DATA, DISK, Refusal


@pytest.fixture(scope="module")
def digits(data_dir):
    return load(find("digits", data_dir=data_dir))


def test_digits_are_scikit_learns(digits):
    import sklearn.datasets

    real = sklearn.datasets.load_digits()
    np.testing.assert_array_equal(digits.arrays["image"][..., 0], real.images)
    np.testing.assert_array_equal(digits.arrays["label"], real.target)
    assert digits.classes == tuple("0123456789")


def test_digits_fingerprint_is_of_the_values(digits):
    assert digits.fingerprint == digits.fingerprint
    other = digits.arrays | {"label": digits.arrays["label"][::-1].copy()}
    assert digits._replace(arrays=other).fingerprint != digits.fingerprint


def test_digits_folds_are_stratified_disjoint_and_cover_all(digits):
    tested = []
    for seed in range(5):
        parts = splits(digits, seed)
        assert len(parts["train"]) == 1077
        everything = np.concatenate(list(parts.values()))
        assert len(np.unique(everything)) == len(everything) >= 1795
        shares = np.bincount(digits.arrays["label"][parts["test"]]) / len(parts["test"])
        assert 0.08 < shares.min() < shares.max() < 0.12
        np.testing.assert_array_equal(splits(digits, seed + 5)["test"], parts["test"])
        np.testing.assert_array_equal(splits(digits, seed + 4)["valid"], parts["test"])
        tested.append(parts["test"])
    np.testing.assert_array_equal(np.sort(np.concatenate(tested)), np.arange(1797))


def test_batches_are_in_0_to_1_and_shuffling_moves_pixels_alike(digits):
    source = resident(digits)
    rows = np.array([3, 1795])
    batch = source.gather(jax.device_put(source.arrays), rows)
    assert batch["image"].shape == (2, 8, 8, 1)
    assert float(batch["image"].max()) == 1.0
    moved = shuffle_pixels(source)
    assert moved.fingerprint != source.fingerprint
    a, b = (s.arrays["image"].reshape(1797, 64) for s in (source, moved))
    assert (a != b).any()
    np.testing.assert_array_equal(np.sort(a, 1), np.sort(b, 1))
    columns = {tuple(a[:, i]) for i in range(64)}
    assert columns == {tuple(b[:, i]) for i in range(64)}


def idx_files(folder: pathlib.Path, train=30, test=12):
    """MNIST's four files, with few and random images: the real layout."""
    rng = np.random.default_rng(0)
    written = {}
    for part, n in (("train", train), ("t10k", test)):
        images = rng.integers(0, 256, (n, 28, 28), np.uint8)
        labels = rng.integers(0, 10, n).astype(np.uint8)
        head = struct.pack(">IIII", 2051, n, 28, 28)
        blobs = {
            f"{part}-images-idx3-ubyte.gz": head + images.tobytes(),
            f"{part}-labels-idx1-ubyte.gz": struct.pack(">II", 2049, n)
            + labels.tobytes(),
        }
        for name, blob in blobs.items():
            (folder / name).write_bytes(gzip.compress(blob, mtime=0))
        written[part] = (images, labels)
    return written


def test_mnist_from_its_files_without_network_or_tensorflow(tmp_path, monkeypatch):
    import sys

    from tensorflow_datasets.core.download import checksums

    files = tmp_path / "files"
    files.mkdir()
    written = idx_files(files)
    infos = {
        f"{builders.Mnist.URL}{path.name}": checksums.UrlInfo(
            size=path.stat().st_size,
            checksum=hashlib.sha256(path.read_bytes()).hexdigest(),
            filename=path.name,
        )
        for path in files.iterdir()
    }
    monkeypatch.setattr(builders.Mnist, "url_infos", infos)
    place = find("mnist", data_dir=str(tmp_path), manual_dir=str(files))
    table = load(place)
    np.testing.assert_array_equal(
        table.arrays["image"][:30, ..., 0], written["train"][0]
    )
    np.testing.assert_array_equal(table.arrays["label"][30:], written["t10k"][1])
    parts = splits(table, 7)
    assert {k: len(v) for k, v in parts.items()} == {
        "train": 27,
        "valid": 3,
        "test": 12,
    }
    assert not set(parts["train"]) & set(parts["valid"])
    assert min(parts["test"]) == 30
    assert "tensorflow" not in sys.modules
    prepared = find("mnist", data_dir=str(tmp_path))  # now with no manual_dir
    assert load(prepared).fingerprint == table.fingerprint


def test_a_wrong_file_is_refused(tmp_path):
    idx_files(tmp_path)  # not the published ones
    place = find("mnist", data_dir=str(tmp_path / "d"), manual_dir=str(tmp_path))
    with pytest.raises(Refusal, match="not the published one") as raised:
        load(place)
    assert raised.value.code == DAMAGED_DATA


def test_a_damaged_prepared_set_is_named(tmp_path):
    folder = load_digits_into(tmp_path)
    record = next(folder.glob("*.array_record*"))
    record.write_bytes(record.read_bytes()[:5000])
    with pytest.raises(Refusal, match=str(folder)) as raised:
        load(find("digits", data_dir=str(tmp_path)))
    assert raised.value.code == DAMAGED_DATA


def load_digits_into(root: pathlib.Path) -> pathlib.Path:
    load(find("digits", data_dir=str(root)))
    return root / "dljax" / "digits" / "1.0.0"


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("nosuch", {}, "--dataset=nosuch"),
        ("mnits", {}, "did you mean mnist?"),
        ("mnist", {}, "--download"),
        ("fashion_mnist", {"manual_dir": "nowhere"}, "train-images-idx3-ubyte.gz"),
    ],
)
def test_what_cannot_be_had_is_said(tmp_path, name, options, says):
    with pytest.raises(Refusal) as raised:
        find(name, data_dir=str(tmp_path), **options)
    assert raised.value.code == 2
    assert says in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_no_network_is_said_at_once(tmp_path, monkeypatch):
    import socket

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    place = find("mnist", data_dir=str(tmp_path), download=True)
    with pytest.raises(Refusal, match="--manual_dir") as raised:
        load(place)
    assert raised.value.code == 2


def test_a_data_dir_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal, match="--data_dir") as raised:
        load(find("digits", data_dir=str(tmp_path / "file")))
    assert raised.value.code == DISK


def test_a_prepared_catalogue_set_is_found(tmp_path, monkeypatch):
    """Any image set that TFDS prepared as array_record is read as it is."""
    source = load_digits_into(tmp_path)
    (tmp_path / "kmnist").mkdir()
    source.parent.rename(tmp_path / "kmnist" / "x")
    (tmp_path / "kmnist" / "x" / "1.0.0").rename(tmp_path / "kmnist" / "3.0.1")
    table = data.load(find("kmnist", data_dir=str(tmp_path)))
    assert table.version == "3.0.1"
    assert len(table.arrays["label"]) == 1797
