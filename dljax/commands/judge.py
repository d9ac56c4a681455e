"""Compares a folder of generated images with the real images of a data set.

DIR is a folder of PNG files of the data set's image size, for example of
`dljax sample TRIAL --n=1000 --out=DIR`. The command trains a small CNN on the data
set's training images, deterministically, and compares the features of DIR's images with
those of as many test images. It prints the Frechet distance, the kernel distance (KID),
precision and recall, and the share of each class among DIR's images. Baselines are
other test images, samples of a Gaussian fitted to the training pixels, and noise.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

from dljax.commands.arguments import parse
from dljax.config import flag
from dljax.errors import DAMAGED_DATA, DONE, UserError
from dljax.errors import EXIT_CODES as MEANINGS

USAGE = "DIR --dataset=NAME"
EXIT_CODES = {code: MEANINGS[code] for code in (DONE, DAMAGED_DATA)}
EXAMPLES = (
    "dljax sample runs/STUDY/TRIAL --n=1000 --out=samples",
    "dljax judge samples --dataset=digits",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags of `dljax judge`."""

    dataset: str = flag("digits", "name of the data set of the real images")
    data_dir: str = flag(
        "", "directory of prepared data sets (default: $TFDS_DATA_DIR or TFDS's own)"
    )
    manual_dir: str = flag("", "directory with the data set's original files")
    download: bool = flag(False, "download the data set if it is not prepared")
    resize: int = flag(0, "resize images to N x N pixels (0: keep their size)", low=0)
    seed: int = flag(0, "seed of the data split and of the CNN", low=0)
    evaluator_steps: int = flag(
        1000, "updates of the CNN that computes features", low=1, formerly="recogniser"
    )


def main(arguments: list[str]) -> int:
    """Runs `dljax judge`; returns the exit code.

    Raises:
      UserError: the data set is missing, or the images are too few or of another size.
    """
    (folder,), config = parse("judge", USAGE, arguments, Config)
    from dljax import backend

    backend.prepare()
    import numpy as np

    from dljax.metrics import generative_metrics
    from dljax.sources.loading import load_source
    from dljax.sources.transforms import all_images
    from dljax.training.image_evaluator import (
        MAX_SAMPLES,
        baseline_images,
        train_image_evaluator,
    )

    source = load_source(config)
    images, parts = all_images(source), source.split(config.seed)
    generated = _read_images(pathlib.Path(folder).expanduser(), images.shape[1:])
    rows = np.random.default_rng(0).permutation(parts["test"])
    count = min(len(generated), len(rows) // 2, MAX_SAMPLES)
    _check_count(folder, count, len(generated), len(rows))
    feature_fn = train_image_evaluator(
        source, config.seed, steps=config.evaluator_steps
    )
    real, other = images[rows[:count]], images[rows[count : 2 * count]]
    gaussian = generative_metrics.gaussian_images(images[parts["train"]], count)
    print(f"{count} images each, {source.name}, fold of seed {config.seed}")
    _print_distances(
        {"generated": generated[:count], **baseline_images(other, gaussian)},
        real,
        feature_fn,
    )
    _, classes = feature_fn(generated)
    shares = generative_metrics.class_shares(classes, len(source.classes))
    pairs = zip(source.classes, shares, strict=True)
    print(
        f"classes of {len(generated)}: " + ", ".join(f"{k} {v:.1%}" for k, v in pairs)
    )
    return DONE


def _check_count(folder: str, count: int, generated: int, test: int) -> None:
    """Checks the number of images, and warns if it is smaller than the features'.

    Raises:
      UserError: too few images for the nearest neighbours of precision and recall.
    """
    from dljax.metrics.generative_metrics import NEIGHBOURS
    from dljax.training.image_evaluator import NUM_FEATURES

    if count <= NEIGHBOURS:
        raise UserError(
            "too-few-images",
            f"{folder}: {generated} images and {test} test images are too few; give "
            f"more than {NEIGHBOURS} images and twice as many test images",
        )
    if count <= NUM_FEATURES:
        print(
            f"warning: {count} images for {NUM_FEATURES} features; compare the "
            "distances with the baselines' only",
            file=sys.stderr,
        )


def _print_distances(images: Mapping[str, Any], real: Any, feature_fn: Any) -> None:
    """Prints a row of distances to the real images for each array (n, h, w, c)."""
    from dljax.training.image_evaluator import distances

    reference, _ = feature_fn(real)
    print(f"{'':10}{'frechet':>10}{'kid':>10}{'precision':>11}{'recall':>9}")
    for name, array in images.items():
        values = distances(feature_fn(array)[0], reference)
        print(
            f"{name:10}{values['frechet']:10.2f}{values['kid']:10.3f}"
            f"{values['precision']:11.3f}{values['recall']:9.3f}"
        )


def _read_images(folder: pathlib.Path, shape: tuple[int, ...]) -> Any:
    """Reads a folder's PNG files as float32 (n, h, w, c) in [0, 1], sorted by number.

    Args:
      folder: the folder.
      shape: (h, w, c) of the data set's images.

    Raises:
      UserError: no PNG file, or an image of another size.
    """
    import numpy as np

    from dljax.datasets.image_folder import open_image

    files = sorted(folder.glob("*.png"), key=lambda path: (len(path.stem), path.stem))
    if not files:
        raise UserError(
            "no-image-files", f"{folder}: no PNG files; give a folder that has some"
        )
    images = []
    for path in files:
        with open_image(path, path) as image:
            array = np.asarray(image.convert("L" if shape[-1] == 1 else "RGB"))
        if array.shape[:2] != shape[:2]:
            size, expected = (
                "x".join(map(str, s)) for s in (array.shape[:2], shape[:2])
            )
            raise UserError(
                "image-size-differs",
                f"{path}: {size} pixels, but the data set has {expected}; give images "
                "of that size, or --resize=N",
            )
        images.append(array.reshape(shape).astype(np.float32) / 255)
    return np.stack(images)
