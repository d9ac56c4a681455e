"""dljax judge DIR --dataset=NAME: how near the images in a folder are to real
ones.

A small CNN is trained on the data set's training images, always alike; in its features
the folder's PNG files, of the data set's size, are held to as many held-out images: by
the Frechet and the kernel distance, precision and recall, beside as many other real
images, what a Gaussian of the training images' pixels draws, and noise. Then it says
how many images are of each class. `dljax sample RUN --n=1000 --out=DIR` makes
such a
folder.
"""

import dataclasses
import pathlib
import sys

from dljax import config as configs
from dljax.config import flag
from dljax.errors import DONE, UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Flags."""

    dataset: str = flag("digits", "what the images are to be like")
    data_dir: str = flag("", "where data sets are prepared")
    manual_dir: str = flag("", "its original files")
    download: bool = flag(False, "fetch them")
    resize: int = flag(0, "of its images, as they were resized for training", low=0)
    seed: int = flag(0, "of which run: it has the fold that it is tested on", low=0)
    evaluator_steps: int = flag(
        1000, "updates of the image evaluator", low=1, formerly="recogniser"
    )


def main(arguments: list[str]) -> int:
    """Prints a table and the shares of the classes; exit code 0.

    Raises:
      UserError: see `data.find`; there are too few images, or they are of another size.
    """
    if not arguments or arguments[0].startswith("-"):
        raise UserError("usage: dljax judge DIR --dataset=NAME")
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
        NUM_FEATURES,
        baseline_images,
        distances,
        train_image_evaluator,
    )

    source = load_source(config)
    images, parts = all_images(source), source.split(config.seed)
    generated = _read(pathlib.Path(folder).expanduser(), images.shape[1:])
    rows = np.random.default_rng(0).permutation(parts["test"])
    count = min(len(generated), len(rows) // 2, MAX_SAMPLES)
    if count <= generative_metrics.NEIGHBOURS:
        raise UserError(
            f"{folder}: {len(generated)} images, of {len(rows)} to test on, are too "
            f"few: more than {generative_metrics.NEIGHBOURS} are compared with half of "
            "the test images"
        )
    if count <= NUM_FEATURES:
        print(
            f"{count} images are few: distances of {NUM_FEATURES} features are to be "
            "read beside those of the baselines only",
            file=sys.stderr,
        )
    feature_fn = train_image_evaluator(
        source, config.seed, steps=config.evaluator_steps
    )
    real, other = images[rows[:count]], images[rows[count : 2 * count]]
    gaussian = generative_metrics.gaussian_images(images[parts["train"]], count)
    reference, _ = feature_fn(real)
    print(f"{count} images each, {source.name}, fold of seed {config.seed}")
    print(f"{'':10}{'frechet':>10}{'kid':>10}{'precision':>11}{'recall':>9}")
    compared = {"generated": generated[:count], **baseline_images(other, gaussian)}
    for name, images in compared.items():
        values = distances(feature_fn(images)[0], reference)
        print(
            f"{name:10}{values['frechet']:10.2f}{values['kid']:10.3f}"
            f"{values['precision']:11.3f}{values['recall']:9.3f}"
        )
    shares = generative_metrics.class_shares(
        feature_fn(generated)[1], len(source.classes)
    )
    pairs = zip(source.classes, shares, strict=True)
    print(
        f"classes of {len(generated)}: " + ", ".join(f"{k} {v:.1%}" for k, v in pairs)
    )
    return DONE


def _read(folder: pathlib.Path, shape: tuple[int, ...]):
    """The PNG files of a folder as float32 (n, h, w, c) in [0, 1], in their order."""
    import numpy as np

    from dljax.datasets.image_folder import open_image

    files = sorted(folder.glob("*.png"), key=lambda path: (len(path.stem), path.stem))
    if not files:
        raise UserError(f"{folder}: no PNG files there")
    images = []
    for path in files:
        with open_image(path, path) as image:
            array = np.asarray(image.convert("L" if shape[-1] == 1 else "RGB"))
        if array.shape[:2] != shape[:2]:
            size, expected = (
                "x".join(map(str, s)) for s in (array.shape[:2], shape[:2])
            )
            raise UserError(
                f"{path}: is {size}, and the data set's images are {expected}"
            )
        images.append(array.reshape(shape).astype(np.float32) / 255)
    return np.stack(images)
