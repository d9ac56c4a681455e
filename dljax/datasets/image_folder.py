"""`image_folder`: PNG or JPEG files in one folder per class.

DIR/CLASS/*.png (jpg, jpeg), or DIR/train/CLASS/* and DIR/test/CLASS/*; see
`class_folders`. Images have one channel if all files are grey, else three. If the files
differ in size, `--resize=N` is required.
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
    """Lists the image files of each split and class; see `class_folders.find`."""
    return class_folders.find(root, IMAGES)


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Reads the images: arrays {"image": uint8 (n, h, w, 1 or 3), "label"}.

    Args:
      resize: the side of the square to resize images to; 0: keep their size.

    Raises:
      UserError: see `find`; a file is damaged or has more than 8 bits per channel; or
        the files differ in size and `resize` is 0.
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
    """Opens an image file with Pillow.

    Args:
      file: a path or binary file.
      name: the name of the file in the error message.

    Raises:
      UserError: the file cannot be opened or decoded.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            yield image
    except UserError:
        raise
    except Exception as error:  # decoders raise many types
        raise UserError(
            "damaged-image",
            f"{name}: cannot be read as an image ({first_line(error)}); replace or "
            "remove it",
            DAMAGED_DATA,
        ) from None


def resize_images(images: np.ndarray, size: int) -> np.ndarray:
    """Resizes uint8 images (n, h, w, c) to uint8 (n, size, size, c).

    Pillow's bilinear filter, which averages when it shrinks; aspect ratios are not
    preserved.
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
    """The common Pillow mode, "L" or "RGB"; reads the headers of the files only."""
    modes: set[str] = set()
    sizes: dict[tuple[int, int], pathlib.Path] = {}
    for path in files:
        with open_image(path, path) as image:
            if image.mode not in GREY | COLOUR:
                raise UserError(
                    "unsupported-image",
                    f"{path}: has more than 8 bits per channel ({image.mode}); convert "
                    "it to 8 bits",
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
