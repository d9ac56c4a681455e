"""Hand-specified features of images, as a baseline for learned features.

HOG and zoning need scikit-image (extra `features`).
"""

from typing import Any

import jax.numpy as jnp
import numpy as np

from dljax.errors import UserError
from dljax.sources.resident import take_rows
from dljax.types import Source


def hog(images: np.ndarray, *, cells: int = 4) -> np.ndarray:
    """Computes histograms of oriented gradients (Dalal and Triggs, CVPR 2005).

    9 orientations in cells x cells cells, normalised over blocks of 2x2 cells (L2-Hys).

    Args:
      images: (n, h, w, c); h and w are multiples of `cells`.

    Returns:
      float32 (n, 36 (cells - 1)^2) in [0, 1].

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
    """Computes the mean of each of zones x zones equal zones.

    Args:
      images: (n, h, w, c); h and w are multiples of `zones`.

    Returns:
      float32 (n, zones^2 c).

    Raises:
      UserError: the images do not divide into zones, or scikit-image is not installed.
    """
    part = (1, *_cell_size(images, zones), 1)
    means = _skimage().measure.block_reduce(images, part, np.mean)
    return means.reshape(len(images), -1).astype(np.float32)


def raw(images: np.ndarray) -> np.ndarray:
    """Returns the pixels of images (n, h, w, c) as vectors: float32 (n, h w c)."""
    return np.asarray(images, np.float32).reshape(len(images), -1)


FEATURES = {"raw": raw, "hog": hog, "zoning": zoning}


def with_features(source: Source, name: str) -> Source:
    """Replaces the images of a source by vectors of features in [0, 1].

    Features are not fitted to the data or rescaled.

    Args:
      source: a source of images (b, h, w, c) in [0, 1].
      name: a key of `FEATURES`.

    Returns:
      a source whose batches have `image`, float32 (b, k), and `label`, int32 (b,).

    Raises:
      KeyError: `name` is not in `FEATURES`.
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
    """The height and width of each of cells x cells equal cells."""
    height, width = images.shape[1:3]
    if height % cells or width % cells:
        raise UserError(
            "image-not-divisible",
            f"--resize: images of {height}x{width} do not divide into {cells}x{cells} "
            f"equal parts; give --resize=N with a multiple of {cells}",
        )
    return height // cells, width // cells


def _skimage() -> Any:
    try:
        import skimage.feature
        import skimage.measure
    except ImportError:
        raise UserError(
            "extra-not-installed",
            "hog and zoning: need scikit-image; run: pip install 'dljax[features]'",
        ) from None
    return skimage
