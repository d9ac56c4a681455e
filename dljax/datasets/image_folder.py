"""`image_folder`: a folder of PNG or JPEG files for each class.

DIR/CLASS/*.png (jpg, jpeg), or DIR/train/CLASS and DIR/test/CLASS; see `class_folders`.
If all images are grey: one channel, else three. Images of one size stay as they are,
others need `--resize=N`.
"""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from dljax.datasets import class_folders
from dljax.datasets.array_dataset import ArrayDataset
from dljax.errors import DAMAGED_DATA, UserError, first_line

IMAGES = class_folders.FileKind("images", (".png", ".jpg", ".jpeg"))
GREY = {"1", "L", "LA"}  # Pillow's modes
COLOUR = {"P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"}


def find(root: pathlib.Path) -> dict[str, class_folders.Classes]:
    """The files of images, see `class_folders.find`."""
    return class_folders.find(root, IMAGES)


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Reads the images; `resize` as in `location.find`.

    Raises:
      UserError: see `find`; a file is damaged; sizes differ and `resize` is 0.
    """
    files, labels, parts, names = class_folders.label_files(find(root))
    mode = _mode(files, resize)
    images = []
    for path in files:
        with open_image(path, path) as image:
            image = image.convert(mode)
            images.append(np.asarray(_square(image, resize) if resize else image))
    pixels = np.stack(images)
    channels = 1 if mode == "L" else 3
    arrays = {"image": pixels.reshape(*pixels.shape[:3], channels), "label": labels}
    return ArrayDataset("image_folder", "1.0.0", arrays, parts, names)


@contextlib.contextmanager
def open_image(file: Any, name: Any) -> Iterator[Any]:
    """A Pillow image of a file; errors name `name`."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            yield image
    except UserError:
        raise
    except Exception as error:  # whatever a decoder says of a bad file
        raise UserError(
            "damaged-image",
            f"{name}: cannot be read as an image ({first_line(error)})",
            DAMAGED_DATA,
        ) from None


def resize_images(images: np.ndarray, size: int) -> np.ndarray:
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


def _mode(files: list[pathlib.Path], resize: int) -> str:
    """What Pillow is to convert to, "L" or "RGB"; reads the files' heads only."""
    modes: set[str] = set()
    sizes: dict[tuple[int, int], pathlib.Path] = {}
    for path in files:
        with open_image(path, path) as image:
            if image.mode not in GREY | COLOUR:
                raise UserError(
                    "unsupported-image",
                    f"{path}: has more than 8 bits a channel ({image.mode})",
                )
            modes.add(image.mode)
            sizes.setdefault(image.size, path)
    if len(sizes) > 1 and not resize:
        a, b = [f"{path} is {w}x{h}" for (w, h), path in sizes.items()][:2]
        raise UserError(
            "image-sizes-differ",
            f"--resize=0: images differ in size ({a}, {b}); give --resize=N",
        )
    return "L" if modes <= GREY else "RGB"
