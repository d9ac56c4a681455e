"""Data sets: values, fixed splits, preparation without a network, errors."""

import gzip
import io
import pathlib
import struct
import tarfile

import jax
import numpy as np
import pytest
from published_files import publish
from user_errors import user_error

from dljax.datasets import builders, loading
from dljax.datasets.loading import load
from dljax.datasets.location import find
from dljax.datasets.registry import REGISTRY
from dljax.datasets.splits import split_by_seed
from dljax.errors import DAMAGED_DATA, DISK
from dljax.sources.resident import resident
from dljax.sources.transforms import shuffle_pixels


@pytest.fixture(scope="module")
def digits(data_dir):
    return load(find("digits", data_dir=data_dir))


def test_digits_equal_scikit_learn(digits):
    import sklearn.datasets

    real = sklearn.datasets.load_digits()
    np.testing.assert_array_equal(digits.arrays["image"][..., 0], real.images)
    np.testing.assert_array_equal(digits.arrays["label"], real.target)
    assert digits.classes == tuple("0123456789")


def test_digits_fingerprint_hashes_the_values(digits):
    assert digits.fingerprint == digits.fingerprint
    other = digits.arrays | {"label": digits.arrays["label"][::-1].copy()}
    assert digits._replace(arrays=other).fingerprint != digits.fingerprint


def test_digits_folds_are_stratified_disjoint_and_cover_all(digits):
    split, tested = split_by_seed(digits), []
    for seed in range(5):
        parts = split(seed)
        assert len(parts["train"]) == 1077
        everything = np.concatenate(list(parts.values()))
        assert len(np.unique(everything)) == len(everything) >= 1795
        shares = np.bincount(digits.arrays["label"][parts["test"]]) / len(parts["test"])
        assert 0.08 < shares.min() < shares.max() < 0.12
        np.testing.assert_array_equal(split(seed + 5)["test"], parts["test"])
        np.testing.assert_array_equal(split(seed + 4)["valid"], parts["test"])
        tested.append(parts["test"])
    np.testing.assert_array_equal(np.sort(np.concatenate(tested)), np.arange(1797))


def test_batches_are_in_0_to_1_and_shuffled_by_one_permutation(digits):
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


def idx_files(folder: pathlib.Path, train=30, test=12, seed=0):
    """Writes MNIST's four files, with few random images; returns their arrays."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
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

    files = tmp_path / "files"
    written = idx_files(files)
    publish(monkeypatch, builders.Mnist, builders.Mnist.URL, files)
    location = find("mnist", data_dir=str(tmp_path), manual_dir=str(files))
    dataset = load(location)
    np.testing.assert_array_equal(
        dataset.arrays["image"][:30, ..., 0], written["train"][0]
    )
    np.testing.assert_array_equal(dataset.arrays["label"][30:], written["t10k"][1])
    parts = split_by_seed(dataset)(7)
    assert {k: len(v) for k, v in parts.items()} == {
        "train": 27,
        "valid": 3,
        "test": 12,
    }
    assert not set(parts["train"]) & set(parts["valid"])
    assert min(parts["test"]) == 30
    assert "tensorflow" not in sys.modules
    prepared = find("mnist", data_dir=str(tmp_path))  # without manual_dir
    assert load(prepared).fingerprint == dataset.fingerprint


def test_data_sets_with_equal_file_names_stay_apart(tmp_path, monkeypatch):
    for seed, (name, builder) in enumerate(
        {"mnist": builders.Mnist, "kmnist": builders.Kmnist}.items()
    ):
        files = tmp_path / name
        written = idx_files(files, seed=seed)
        publish(monkeypatch, builder, builder.URL, files)
        dataset = load(find(name, data_dir=str(tmp_path), manual_dir=str(files)))
        for part, rows in zip(("train", "t10k"), dataset.parts.values(), strict=True):
            images, labels = written[part]
            np.testing.assert_array_equal(dataset.arrays["image"][rows, ..., 0], images)
            np.testing.assert_array_equal(dataset.arrays["label"][rows], labels)
    assert ", ".join(dataset.classes) == "o, ki, su, tsu, na, ha, ma, ya, re, wo"


def test_cifar10_from_its_archive(tmp_path, monkeypatch):
    rng, written = np.random.default_rng(0), {}
    (tmp_path / "files").mkdir()
    with tarfile.open(tmp_path / "files/cifar-10-binary.tar.gz", "w:gz") as tar:
        batches = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
        for batch in reversed(batches):  # the order of members is arbitrary
            images = rng.integers(0, 256, (4, 32, 32, 3), np.uint8)
            labels = rng.integers(0, 10, 4).astype(np.uint8)
            # A row: the label, then the red, green and blue plane.
            rows = [
                bytes([label]) + b"".join(image[..., c].tobytes() for c in range(3))
                for image, label in zip(images, labels, strict=True)
            ]
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{batch}.bin")
            member.size = 4 * 3073
            tar.addfile(member, io.BytesIO(b"".join(rows)))
            written[batch] = (images, labels)
    url = builders.Cifar10.URL.removesuffix("cifar-10-binary.tar.gz")
    publish(monkeypatch, builders.Cifar10, url, tmp_path / "files")
    location = find(
        "cifar10", data_dir=str(tmp_path), manual_dir=str(tmp_path / "files")
    )
    dataset = load(location)
    for i, key in enumerate(("image", "label")):
        expected = np.concatenate([written[batch][i] for batch in batches])
        np.testing.assert_array_equal(dataset.arrays[key], expected)
    np.testing.assert_array_equal(dataset.parts["test"], np.arange(20, 24))
    assert dataset.classes == (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )


@pytest.mark.parametrize("name", ["kmnist", "cifar10"])
def test_checksums_equal_tfds(name):
    import tensorflow_datasets

    theirs = pathlib.Path(tensorflow_datasets.__file__).parent / "url_checksums"
    ours = pathlib.Path(builders.__file__).with_name("checksums.tsv").read_text()
    lines = (theirs / f"{name}.txt").read_text().splitlines()
    assert len(lines) == len(REGISTRY[name].files)
    assert set(lines) <= set(ours.splitlines())


@pytest.mark.parametrize("name", ["mnist", "kmnist"])
def test_a_wrong_file_is_refused(tmp_path, name):
    idx_files(tmp_path)  # not the published ones
    location = find(name, data_dir=str(tmp_path / "d"), manual_dir=str(tmp_path))
    flag = f"--manual_dir={tmp_path}"
    with user_error("damaged-download", flag, name, code=DAMAGED_DATA):
        load(location)


def test_a_damaged_prepared_set_is_named(tmp_path):
    folder = load_digits_into(tmp_path)
    record = next(folder.glob("*.array_record*"))
    record.write_bytes(record.read_bytes()[:5000])
    with user_error("damaged-dataset", folder, code=DAMAGED_DATA):
        load(find("digits", data_dir=str(tmp_path)))


def load_digits_into(root: pathlib.Path) -> pathlib.Path:
    load(find("digits", data_dir=str(root)))
    return root / "dljax" / "digits" / "1.0.0"


WAYS_OUT = ("--manual_dir=DIR", "--download", "--data_dir=DIR")


@pytest.mark.parametrize(
    ("name", "manual_dir", "error_id", "names"),
    [
        ("nosuch", "", "unknown-dataset", ("--dataset=nosuch", "digits")),
        ("mnits", "", "unknown-dataset", ("--dataset=mnits", "mnist")),
        ("mnist", "", "dataset-not-prepared", ("--dataset=mnist", *WAYS_OUT)),
        ("kmnist", "", "dataset-not-prepared", ("--dataset=kmnist", *WAYS_OUT)),
        (
            "fashion_mnist",
            "nowhere",
            "manual-dir-incomplete",
            ("--manual_dir=nowhere", "train-images-idx3-ubyte.gz"),
        ),
        (
            "cifar10",
            "nowhere",
            "manual-dir-incomplete",
            ("--manual_dir=nowhere", "cifar-10-binary.tar.gz"),
        ),
        (
            "image_folder",
            "",
            "manual-dir-missing",
            ("--dataset=image_folder", "--manual_dir=DIR"),
        ),
        (
            "colloid_video",
            "",
            "manual-dir-missing",
            ("--dataset=colloid_video", "--manual_dir=DIR", "bulk_water_half.zip"),
        ),
        ("image_folder", "nowhere", "no-such-directory", ("--manual_dir=nowhere",)),
    ],
)
def test_missing_data_set_raises_user_error(
    tmp_path, name, manual_dir, error_id, names
):
    with user_error(error_id, *names):
        find(name, data_dir=str(tmp_path), manual_dir=manual_dir)
    assert not list(tmp_path.iterdir())


def test_no_network_raises_user_error(tmp_path, monkeypatch):
    import socket

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    location = find("mnist", data_dir=str(tmp_path), download=True)
    with user_error("download-failed", "--download", "mnist", "--manual_dir=DIR"):
        load(location)


def test_unwritable_data_dir_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    flag = f"--data_dir={tmp_path / 'file'}"
    with user_error("data-dir-not-writable", flag, code=DISK):
        load(find("digits", data_dir=str(tmp_path / "file")))


def test_two_processes_prepare_concurrently(tmp_path, monkeypatch):
    location = find("digits", data_dir=str(tmp_path))
    generate = builders.Digits._generate_examples

    def slowly(builder):
        monkeypatch.undo()
        load(location)  # a second preparation, which finishes before the first
        yield from generate(builder)

    monkeypatch.setattr(builders.Digits, "_generate_examples", slowly)
    assert len(load(location).arrays["label"]) == 1797


@pytest.mark.parametrize("name", ["emnist", "kmnist"])
def test_a_prepared_catalogue_set_is_found(tmp_path, name):
    """An image set that TFDS prepared as array_record is read without preparation."""
    source = load_digits_into(tmp_path)
    (tmp_path / name).mkdir()
    source.rename(tmp_path / name / "3.0.1")
    dataset = loading.load(find(name, data_dir=str(tmp_path)))
    assert dataset.version == "3.0.1"
    assert len(dataset.arrays["label"]) == 1797


def test_resize_equals_pillow(digits, data_dir):
    from PIL import Image

    location = find("digits", data_dir=data_dir, resize=5)
    dataset = load(location)
    assert dataset.fingerprint != digits.fingerprint
    assert dataset.arrays["image"].shape == (1797, 5, 5, 1)
    image = Image.fromarray(digits.arrays["image"][7, ..., 0])
    expected = image.resize((5, 5), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(dataset.arrays["image"][7, ..., 0], expected)
    flat = load(location._replace(resize=1)).arrays["image"][:, 0, 0, 0]
    means = digits.arrays["image"].mean((1, 2, 3))
    assert np.corrcoef(flat, means)[0, 1] > 0.7  # the resized pixel averages all pixels
