"""`colloid_video`: spheres that diffuse in water, 300 frames under a microscope.

Of the bulk water video of trackpy-examples (soft-matter; BSD 3-clause or CC BY 3.0),
made grey and halved: `bulk_water_half.zip`, or the PNG files in it. Read in place.
"""

import io
import pathlib
import zipfile

import numpy as np

from dljax.datasets.array_dataset import ArrayDataset
from dljax.datasets.image_folder import open_image
from dljax.errors import DAMAGED_DATA, UserError, first_line

ZIP = "bulk_water_half.zip"
FRAMES, TEST_FROM = 300, 240


def find(root: pathlib.Path) -> list[pathlib.Path]:
    """The frames' files in order, or the zip file that has them.

    Raises:
      UserError: neither is there, or not all frames are.
    """
    if (root / ZIP).is_file():
        return [root / ZIP]
    files = sorted(root.glob("*.png")) or sorted(root.glob("bulk_water_half/*.png"))
    if len(files) != FRAMES:
        raise UserError(
            "manual-dir-incomplete",
            f"--manual_dir={root}: no {ZIP} and {len(files)} PNG files there; "
            f"colloid_video needs that, or its {FRAMES} frames",
        )
    return files


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Arrays {"image": uint8 (300, h, w, 1)} of frames, without labels.

    `resize` is of clips, not of frames: see `video.frame_stride`.

    Raises:
      UserError: see `find`; a file is damaged.
    """
    del resize
    files = find(root)
    if files == [root / ZIP]:
        blobs = _unzipped(root / ZIP)
    else:
        blobs = {str(path): path.read_bytes() for path in files}
    frames: list[np.ndarray] = []
    for name, blob in blobs.items():
        with open_image(io.BytesIO(blob), name) as image:
            frames.append(np.asarray(image.convert("L")))
        if frames[-1].shape != frames[0].shape:
            raise UserError(
                "damaged-video",
                f"{name}: is not of the first frame's size",
                DAMAGED_DATA,
            )
    parts = {"train": np.arange(TEST_FROM), "test": np.arange(TEST_FROM, FRAMES)}
    images = np.stack(frames)[..., None]
    return ArrayDataset("colloid_video", "1.0.0", {"image": images}, parts, ())


def _unzipped(path: pathlib.Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as file:
            names = sorted(name for name in file.namelist() if name.endswith(".png"))
            blobs = {f"{path}: {name}": file.read(name) for name in names}
    except Exception as error:  # whatever a reader says of a bad file
        raise UserError(
            "damaged-archive",
            f"{path}: cannot be read as a zip file ({first_line(error)})",
            DAMAGED_DATA,
        ) from None
    if len(blobs) != FRAMES:
        raise UserError(
            "damaged-video",
            f"{path}: has {len(blobs)} of {FRAMES} frames",
            DAMAGED_DATA,
        )
    return blobs
