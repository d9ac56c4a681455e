"""`colloid_video`: 300 microscope frames of colloidal spheres that diffuse in water.

The bulk water video of trackpy-examples (soft-matter; BSD 3-clause or CC BY 3.0) in
grey, at half its size: `bulk_water_half.zip`, or the PNG files in it. Read in place.
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
    """Lists the PNG files of the frames in order, or the zip file alone.

    Raises:
      UserError: there is neither the zip file nor all frames.
    """
    if (root / ZIP).is_file():
        return [root / ZIP]
    files = sorted(root.glob("*.png")) or sorted(root.glob("bulk_water_half/*.png"))
    if len(files) != FRAMES:
        raise UserError(
            "manual-dir-incomplete",
            f"--manual_dir={root}: has no {ZIP}, and {len(files)} of {FRAMES} PNG files"
            "; give the directory of the zip file or of all its frames",
        )
    return files


def read(root: pathlib.Path, resize: int) -> ArrayDataset:
    """Reads the frames: arrays {"image": uint8 (300, h, w, 1)}; no labels.

    Args:
      resize: ignored; `sources.video.frame_stride` resizes clips.

    Raises:
      UserError: see `find`; a file is damaged, or the frames differ in size.
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
                f"{name}: differs in size from the first frame; restore the file",
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
    except Exception as error:  # zipfile raises many types
        raise UserError(
            "damaged-archive",
            f"{path}: cannot be read as a zip file ({first_line(error)}); download it "
            "again",
            DAMAGED_DATA,
        ) from None
    if len(blobs) != FRAMES:
        raise UserError(
            "damaged-video",
            f"{path}: has {len(blobs)} of {FRAMES} frames; download it again",
            DAMAGED_DATA,
        )
    return blobs
