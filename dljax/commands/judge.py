"""dljax judge DIR --dataset=NAME: compares a folder of images with real ones.

A small CNN is trained deterministically on the data set's training images. In its
features the folder's PNG files, of the data set's size, are compared with as many
held-out images: Frechet and kernel distance, precision and recall. Baselines: as many
other real images, draws of a Gaussian fitted to the training pixels, and noise. Last,
the share of each class. `dljax sample RUN --n=1000 --out=DIR` makes such a folder.
"""

import dataclasses
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

from dljax import config as configs
from dljax.config import flag
from dljax.errors import DONE, UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags."""

    dataset: str = flag("digits", "the data set of the real images")
    data_dir: str = flag("", "where data sets are prepared")
    manual_dir: str = flag("", "a folder with the data set's original files")
    download: bool = flag(False, "fetch the data set from the network if need be")
    resize: int = flag(0, "images become NxN pixels; 0: as they are", low=0)
    seed: int = flag(0, "the seed whose split is used", low=0)
    evaluator_steps: int = flag(
        1000, "updates of the image evaluator", low=1, formerly="recogniser"
    )


def main(arguments: list[str]) -> int:
    """Prints a table of distances and the shares of the classes; exit code 0.

    Raises:
      UserError: the data set is missing, or the images are too few or of another size.
    """
    if not arguments or arguments[0].startswith("-"):
        raise UserError("usage", "usage: dljax judge DIR --dataset=NAME")
    folder, *flags = arguments
    config = configs.parse(Config, flags, factors={}).config
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
    """Warns of few images.

    Raises:
      UserError: there are too few for the metrics of nearest neighbours.
    """
    from dljax.metrics.generative_metrics import NEIGHBOURS
    from dljax.training.image_evaluator import NUM_FEATURES

    if count <= NEIGHBOURS:
        raise UserError(
            "too-few-images",
            f"{folder}: {generated} images, of {test} to test on, are too "
            f"few: more than {NEIGHBOURS} are compared with half of the test images",
        )
    if count <= NUM_FEATURES:
        print(
            f"{count} images are few: distances of {NUM_FEATURES} features are to be "
            "read beside those of the baselines only",
            file=sys.stderr,
        )


def _print_distances(images: Mapping[str, Any], real: Any, feature_fn: Any) -> None:
    """A row of distances to the real images for each array (n, h, w, c)."""
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
    """The PNG files of a folder as float32 (n, h, w, c) in [0, 1], by number.

    Raises:
      UserError: there are none, or an image has another size.
    """
    import numpy as np

    from dljax.datasets.image_folder import open_image

    files = sorted(folder.glob("*.png"), key=lambda path: (len(path.stem), path.stem))
    if not files:
        raise UserError("no-image-files", f"{folder}: no PNG files there")
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
                f"{path}: is {size}, and the data set's images are {expected}",
            )
        images.append(array.reshape(shape).astype(np.float32) / 255)
    return np.stack(images)
