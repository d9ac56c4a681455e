"""Features of images that a person specified: a baseline for learned features.

scikit-image computes them (extra `features`).
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from dljax.errors import UserError
from dljax.sources.resident import take_rows
from dljax.types import Source


def hog(images: np.ndarray, *, cells: int = 4) -> np.ndarray:
    """Histograms of oriented gradients of images (n, h, w, c): float32 (n, k).

    9 orientations in cells x cells cells, normalised over blocks of 2x2 cells (L2-Hys):
    k = 36 (cells - 1)^2 numbers from 0 to 1. Dalal and Triggs, CVPR 2005.

    Raises:
      UserError: the images do not divide into cells, or scikit-image is not installed.
    """
    cell = _cell_size(images, cells)
    feature = _skimage().feature
    return np.stack(
        [
            feature.hog(image, 9, cell, (2, 2), "L2-Hys", channel_axis=-1)
            for image in images
        ]
    ).astype(np.float32)


def zoning(images: np.ndarray, zones: int = 4) -> np.ndarray:
    """Means over zones x zones zones of images (n, h, w, c): float32 (n, zones^2 c).

    Raises:
      UserError: the images do not divide into zones, or scikit-image is not installed.
    """
    part = (1, *_cell_size(images, zones), 1)
    means = _skimage().measure.block_reduce(images, part, np.mean)
    return means.reshape(len(images), -1).astype(np.float32)


def raw(images: np.ndarray) -> np.ndarray:
    """The pixels themselves: float32 (n, h w c)."""
    return np.asarray(images, np.float32).reshape(len(images), -1)


FEATURES = {"raw": raw, "hog": hog, "zoning": zoning}


def with_features(source: Source, name: str) -> Source:
    """Images as vectors of features; nothing is fitted or scaled, all are from 0 to 1.

    Args:
      source: of images in [0, 1] (b, h, w, c).
      name: a key of `FEATURES`.

    Returns:
      a source of {"image": float32 (b, k), "label": int32 (b,)}.

    Raises:
      KeyError: other features.
      UserError: see `hog` and `zoning`.
    """
    rows = jnp.arange(len(source.arrays["label"]))
    images = np.asarray(source.gather(source.arrays, rows)["image"])
    arrays = {"image": FEATURES[name](images), "label": source.arrays["label"]}
    return source._replace(
        fingerprint=f"{source.fingerprint}-{name}",
        arrays=arrays,
        gather=take_rows,
    )


def _cell_size(images: np.ndarray, cells: int) -> tuple[int, int]:
    """Height and width of a cell, of cells x cells equal ones."""
    height, width = images.shape[1:3]
    if height % cells or width % cells:
        raise UserError(
            "image-not-divisible",
            f"images of {height}x{width} do not divide into {cells}x{cells} equal "
            "parts; --resize=N makes them NxN",
        )
    return height // cells, width // cells


def _skimage() -> Any:
    try:
        import skimage.feature
        import skimage.measure
    except ImportError:
        raise UserError(
            "extra-not-installed",
            "features need scikit-image: pip install 'dljax[features]'",
        ) from None
    return skimage
