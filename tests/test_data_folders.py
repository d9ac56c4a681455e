"""Folders of images and frames: values equal to Pillow's, and one-line errors."""

import shutil
import zipfile

import numpy as np
import pytest
from image_files import frame_files, image_files
from PIL import Image
from user_errors import user_error

from dljax.config import RunConfig
from dljax.datasets.loading import load
from dljax.datasets.location import find
from dljax.datasets.splits import split_by_seed
from dljax.errors import DAMAGED_DATA
from dljax.sources import loading


def locate(root, resize=0, name="image_folder"):
    return find(name, manual_dir=str(root), resize=resize)


@pytest.mark.parametrize(("shape", "channels"), [((6, 5), 1), ((6, 5, 3), 3)])
def test_images_equal_pillow(tmp_path, shape, channels):
    paths = image_files(tmp_path, classes=("b c", "a"), shape=shape)
    dataset = load(locate(tmp_path))
    assert dataset.name == "image_folder"
    assert dataset.classes == ("a", "b c")
    assert dataset.arrays["image"].shape == (20, 6, 5, channels)
    decoded = [np.asarray(Image.open(p)) for p in paths[10:] + paths[:10]]
    np.testing.assert_array_equal(
        dataset.arrays["image"], np.reshape(decoded, (20, 6, 5, channels))
    )
    np.testing.assert_array_equal(dataset.arrays["label"], [0] * 10 + [1] * 10)
    assert dataset.arrays["image"].dtype == np.uint8
    assert dataset.arrays["label"].dtype == np.int32


def test_colour_image_makes_all_rgb(tmp_path):
    first, *_ = image_files(tmp_path)
    grey = load(locate(tmp_path)).arrays["image"]
    red = np.zeros((6, 6, 3), np.uint8)
    red[..., 0] = 200
    Image.fromarray(red).save(first)
    images = load(locate(tmp_path)).arrays["image"]
    np.testing.assert_array_equal(images[0], red)
    np.testing.assert_array_equal(images[1:], np.repeat(grey[1:], 3, axis=-1))


def test_unsplit_folder_has_stratified_folds(tmp_path):
    image_files(tmp_path)
    dataset = load(locate(tmp_path))
    tested = []
    for seed in range(5):
        parts = split_by_seed(dataset)(seed)
        assert {k: len(v) for k, v in parts.items()} == {
            "train": 12,
            "valid": 4,
            "test": 4,
        }
        assert len(set(np.concatenate(list(parts.values())))) == 20
        for rows in parts.values():
            assert np.ptp(np.bincount(dataset.arrays["label"][rows])) == 0
        tested += [*parts["test"]]
    assert sorted(tested) == [*range(20)]
    assert loading.load_source(
        RunConfig(dataset="image_folder", manual_dir=str(tmp_path))
    ).test_train_ratio


def test_train_and_test_folders_are_disjoint(tmp_path):
    train = image_files(tmp_path / "train")
    test = image_files(tmp_path / "test", per_class=3, seed=1)
    (tmp_path / ".cache").mkdir()
    (tmp_path / "train/cat/notes.txt").write_text("not an image")
    dataset = load(locate(tmp_path))
    parts = split_by_seed(dataset)(3)
    assert {k: len(v) for k, v in parts.items()} == {"train": 18, "valid": 2, "test": 6}
    for rows, paths in (
        (np.concatenate([parts["train"], parts["valid"]]), train),
        (parts["test"], test),
    ):
        for row, path in zip(sorted(rows), paths, strict=True):
            np.testing.assert_array_equal(
                dataset.arrays["image"][row, ..., 0], np.asarray(Image.open(path))
            )


def test_small_classes_keep_a_validation_image(tmp_path):
    for part in ("train", "test"):
        image_files(tmp_path / part, classes=("cat",), per_class=5)
    parts = split_by_seed(load(locate(tmp_path)))(0)
    assert {k: len(v) for k, v in parts.items()} == {"train": 4, "valid": 1, "test": 5}


def test_folders_have_distinct_fingerprints(tmp_path):
    """The fingerprint depends on neither the process nor earlier files on disk."""
    prints = {}
    for name in ("one", "two", "one"):
        if not (tmp_path / name).exists():
            image_files(tmp_path / name, seed=len(prints))
        config = RunConfig(
            dataset="image_folder",
            data_dir=str(tmp_path / "data"),
            manual_dir=str(tmp_path / name),
        )
        source = loading.load_source(config)
        assert prints.setdefault(name, source.fingerprint) == source.fingerprint
        assert load(locate(tmp_path / name)).fingerprint == source.fingerprint
    assert len(set(prints.values())) == 2
    assert not (tmp_path / "data").exists()
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    assert load(locate(tmp_path / "copy")).fingerprint == prints["one"]


def test_images_of_many_sizes_are_resized(tmp_path):
    image_files(tmp_path)
    path = tmp_path / "dog/more.png"
    Image.fromarray(np.arange(63, dtype=np.uint8).reshape(7, 9)).save(path)
    with user_error("image-sizes-differ", "--resize=N", path, "9x7"):
        load(locate(tmp_path))
    images = load(locate(tmp_path, 4)).arrays["image"]
    assert images.shape == (21, 4, 4, 1)
    expected = Image.open(path).resize((4, 4), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(images[-1, ..., 0], expected)


@pytest.mark.parametrize("end", ["00.png", "01.jpg"])
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"no" * 40])
def test_a_damaged_image_is_named(tmp_path, end, damage):
    image_files(tmp_path, shape=(40, 40))
    path = tmp_path / "dog" / end
    path.write_bytes(damage(path.read_bytes()))
    with user_error("damaged-image", path, code=DAMAGED_DATA):
        load(locate(tmp_path))


def test_images_of_16_bits_are_not_clipped(tmp_path):
    image_files(tmp_path)
    path = tmp_path / "cat/deep.png"
    Image.fromarray(np.full((6, 6), 40_000, np.uint16)).save(path)
    with user_error("unsupported-image", path):
        load(locate(tmp_path))


@pytest.mark.parametrize(
    ("write", "error_id", "names"),
    [
        (lambda root: root.mkdir(), "no-class-folders", ["CLASS/*.png", "train/CLASS"]),
        (
            lambda root: image_files(root.parent, classes=(root.name,)),
            "no-class-folders",
            ["CLASS/*.png"],
        ),
        (
            lambda root: (root / "cat").mkdir(parents=True),
            "empty-class-folder",
            ["cat", "png", "jpg"],
        ),
        (
            lambda root: image_files(root, per_class=1),
            "too-few-examples",
            ["cat", 1, 5],
        ),
        (lambda root: image_files(root / "train"), "empty-class-folder", ["train"]),
        (
            lambda root: [
                image_files(root / "train"),
                image_files(root / "test", classes=("cat", "cow")),
            ],
            "classes-differ",
            ["cow, dog"],
        ),
        (
            lambda root: [image_files(root / p) for p in ("train", "test", "val")],
            "unknown-split-folder",
            ["val"],
        ),
    ],
)
def test_wrong_folders_raise_user_error(tmp_path, write, error_id, names):
    root = tmp_path / "images"
    write(root)
    with user_error(error_id, f"--manual_dir={root}", *names):
        locate(root)


def zip_frames(folder, path):
    with zipfile.ZipFile(path, "w") as file:
        for frame in sorted(folder.iterdir(), reverse=True):
            file.write(frame, f"bulk_water_half/{frame.name}")


def test_video_reads_frames_in_order(tmp_path):
    folder = tmp_path / "unzipped" / "bulk_water_half"
    frames = frame_files(folder)
    (tmp_path / "zip").mkdir()
    zip_frames(folder, tmp_path / "zip/bulk_water_half.zip")
    for root in (folder, folder.parent, tmp_path / "zip"):
        dataset = load(locate(root, name="colloid_video"))
        np.testing.assert_array_equal(dataset.arrays["image"][..., 0], frames)
        assert {k: (v[0], v[-1]) for k, v in dataset.parts.items()} == {
            "train": (0, 239),
            "test": (240, 299),
        }
    path = folder / "bulk_water_100.png"
    path.write_bytes(path.read_bytes()[:500])
    with user_error("damaged-image", path, code=DAMAGED_DATA):
        load(locate(folder, name="colloid_video"))
    path.unlink()
    names = (f"--manual_dir={folder}", "bulk_water_half.zip", 299, 300)
    with user_error("manual-dir-incomplete", *names):
        locate(folder, name="colloid_video")


def test_a_damaged_zip_of_frames_is_named(tmp_path):
    path = tmp_path / "bulk_water_half.zip"
    frame_files(tmp_path / "frames", n=3)
    zip_frames(tmp_path / "frames", path)
    with user_error("damaged-video", path, 3, 300, code=DAMAGED_DATA):
        load(locate(tmp_path, name="colloid_video"))
    raw = path.read_bytes()
    for damaged in (raw[: len(raw) // 2], raw[:200] + b"?" + raw[201:]):
        path.write_bytes(damaged)
        with user_error("damaged-archive", path, code=DAMAGED_DATA):
            load(locate(tmp_path, name="colloid_video"))
