"""`image_folder`: a folder of PNG or JPEG files for each class.

DIR/CLASS/*.png (jpg, jpeg), or DIR/train/CLASS and DIR/test/CLASS. It is read where it
is, each time: nothing is prepared that another folder could be taken for. All images
grey: one channel, else three. Images of one size stay as they are, others need
`--resize=N`.
"""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from dljax.data import Table, first_line
from dljax.errors import DAMAGED_DATA, Refusal

ENDINGS = (".png", ".jpg", ".jpeg")
GREY = {"1", "L", "LA"}  # Pillow's modes
COLOUR = {"P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}
FEWEST = 5  # training images of a class: one a fold

Classes = dict[str, list[pathlib.Path]]


def find(root: pathlib.Path) -> dict[str, Classes]:
    """The files, {"train" (and "test"): {class: files}}, in order of their names.

    Raises:
      Refusal: there are none, or too few of a class, or other classes to test on.
    """
    inside = _folders(root)
    if not {"train", "test"} <= inside.keys():
        parts = {"train": _classes(root)}
    elif more := sorted(inside.keys() - {"train", "test"}):
        raise Refusal(
            f"--manual_dir={root}: has {', '.join(more)} beside train and test; images "
            "for validation are taken out of train"
        )
    else:
        parts = {name: _classes(inside[name]) for name in ("train", "test")}
        if differ := parts["train"].keys() ^ parts["test"].keys():
            raise Refusal(
                f"--manual_dir={root}: only one of train and test has the classes "
                f"{', '.join(sorted(differ))}"
            )
    for files in parts["train"].values():
        if len(files) < FEWEST:
            raise Refusal(
                f"--manual_dir={root}: {files[0].parent.name} has {len(files)} of the "
                f"{FEWEST} images at least that each class needs to train on"
            )
    return parts


def read(root: pathlib.Path, resize: int) -> Table:
    """Reads the images; `resize` as in `data.find`.

    Raises:
      Refusal: see `find`; a file is damaged; sizes differ, and none is given.
    """
    parts = find(root)
    names = tuple(parts["train"])
    files, labels = [], []
    for part in parts.values():
        for label, name in enumerate(names):
            files += part[name]
            labels += [label] * len(part[name])
    mode = _mode(files, resize)
    images = []
    for path in files:
        with opened(path, path) as image:
            image = image.convert(mode)
            images.append(np.asarray(_square(image, resize) if resize else image))
    pixels = np.stack(images)
    channels = 1 if mode == "L" else 3
    rows = np.split(np.arange(len(files)), [sum(map(len, parts["train"].values()))])
    return Table(
        "image_folder",
        "1.0.0",
        {
            "image": pixels.reshape(*pixels.shape[:3], channels),
            "label": np.array(labels, np.int32),
        },
        dict(zip(parts, rows, strict=False)),  # without test no rows are left for it
        names,
    )


@contextlib.contextmanager
def opened(file: Any, name: Any) -> Iterator[Any]:
    """A Pillow image of a file; what is wrong with it is said of `name`."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            yield image
    except Refusal:
        raise
    except Exception as error:  # whatever a decoder says of a bad file
        raise Refusal(
            f"{name}: cannot be read as an image ({first_line(error)})", DAMAGED_DATA
        ) from None


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 images (n, h, w, c) as (n, size, size, c), rounded to whole levels.

    Bilinear, over all pixels that a new one covers; sides in any proportion.
    """
    from PIL import Image

    n, height, width, channels = images.shape
    flat = images.reshape((n, height, width) if channels == 1 else images.shape)
    squares = [np.asarray(_square(Image.fromarray(image), size)) for image in flat]
    return np.stack(squares).reshape(n, size, size, channels)


def _square(image: Any, size: int) -> Any:
    from PIL import Image

    return image.resize((size, size), Image.Resampling.BILINEAR)


def _folders(root: pathlib.Path) -> dict[str, pathlib.Path]:
    return {
        path.name: path
        for path in sorted(root.iterdir())
        if path.is_dir() and not path.name.startswith(".")
    }


def _classes(root: pathlib.Path) -> Classes:
    classes = {
        name: sorted(
            path
            for path in folder.iterdir()
            if path.suffix.lower() in ENDINGS and not path.name.startswith(".")
        )
        for name, folder in _folders(root).items()
    }
    if not classes:
        raise Refusal(
            f"--manual_dir={root}: no folders of images there; it needs CLASS/*.png "
            "(jpg, jpeg), or train/CLASS/*.png and test/CLASS/*.png"
        )
    if empty := [name for name, files in classes.items() if not files]:
        raise Refusal(
            f"--manual_dir={root}: no png, jpg or jpeg in its folder {empty[0]}"
        )
    return classes


def _mode(files: list[pathlib.Path], resize: int) -> str:
    """What Pillow is to convert to, "L" or "RGB"; reads the files' heads only."""
    modes: set[str] = set()
    sizes: dict[tuple[int, int], pathlib.Path] = {}
    for path in files:
        with opened(path, path) as image:
            if image.mode not in GREY | COLOUR:
                raise Refusal(f"{path}: has more than 8 bits a channel ({image.mode})")
            modes.add(image.mode)
            sizes.setdefault(image.size, path)
    if len(sizes) > 1 and not resize:
        a, b = [f"{path} is {w}x{h}" for (w, h), path in sizes.items()][:2]
        raise Refusal(f"--resize=0: images differ in size ({a}, {b}); give --resize=N")
    return "L" if modes <= GREY else "RGB"
