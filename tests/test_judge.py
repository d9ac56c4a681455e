"""The command that compares a folder of images with a data set."""

import re

import numpy as np
import pytest
from PIL import Image
from user_errors import user_error

from dljax.commands import judge
from dljax.datasets.loading import load
from dljax.datasets.location import find


def write(folder, images):
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i}.png")
    return str(folder)


@pytest.fixture(scope="module")
def digits(data_dir):
    table = load(find("digits", data_dir=data_dir))
    grey = np.round(table.arrays["image"][..., 0] * (255 / 16)).astype(np.uint8)
    return grey, table.arrays["label"]


def test_images_are_beside_real_ones_and_noise(tmp_path, data_dir, digits, capsys):
    grey, label = digits
    ones = write(tmp_path / "ones", grey[label == 1][:150])
    assert judge.main([ones, f"--data_dir={data_dir}", "--evaluator_steps=200"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].startswith("150 images")
    frechet = dict(re.findall(r"^(\w+) +(-?[\d.]+) ", printed, re.M))
    names = ("generated", "real", "noise")
    generated, real, noise = (float(frechet[name]) for name in names)
    assert 3 * real < generated  # images of one class are far from those of ten
    assert 3 * real < noise
    share = re.search(r"classes of 150: .*, 1 ([\d.]+)%", printed)
    assert float(share[1]) > 90


def test_mistakes_are_refused(tmp_path, data_dir, digits):
    where = f"--data_dir={data_dir}"
    (tmp_path / "none").mkdir()
    few = write(tmp_path / "few", digits[0][:3])
    wide = write(tmp_path / "wide", np.zeros((5, 8, 9), np.uint8))
    for arguments, error_id, names in (
        ([], "usage", ["dljax judge DIR"]),
        ([str(tmp_path / "none")], "no-image-files", [tmp_path / "none"]),
        ([few, where], "too-few-images", [few, 3, 360]),
        ([wide, where], "image-size-differs", ["0.png", "8x9", "8x8"]),
        ([few, "--data=digits"], "unknown-flag", ["--data", "--dataset"]),
    ):
        with user_error(error_id, *names):
            judge.main(arguments)
