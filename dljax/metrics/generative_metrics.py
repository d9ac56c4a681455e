"""Distances of generated images to real images, by features of a frozen network.

Features are arrays (n, d) and (m, d). Compare a distance with its floor: the distance
between two sets of real images of the same sizes.
"""

from typing import Any

import numpy as np

NEIGHBOURS = 3  # k of the k-NN manifolds of precision and recall
CHUNK = 500  # rows of a distance matrix per step, to bound memory


def frechet_distance(generated: Any, real: Any) -> float:
    """Computes the squared Frechet distance of Gaussians fitted to both feature sets.

    The estimate is biased upwards for small n: compare at equal n. Source: Heusel et
    al. 2017 (FID).

    Args:
      generated: features (n, d).
      real: features (m, d).
    """
    import scipy.linalg

    a, b = (np.asarray(x, np.float64) for x in (generated, real))
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # Trace of the root of the product; imaginary parts are rounding errors.
    eigenvalues = scipy.linalg.eigvals(cov_a @ cov_b).real
    traces = np.trace(cov_a) + np.trace(cov_b)
    spread = traces - 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + spread)


def kernel_distance(generated: Any, real: Any) -> float:
    """Estimates the squared maximum mean discrepancy with the kernel (x . y / d + 1)^3.

    The estimate is unbiased: for samples of one distribution its mean is 0, and it may
    be negative. Source: Binkowski et al. 2018 (KID).

    Args:
      generated: features (n, d).
      real: features (m, d).
    """
    a, b = (np.asarray(x, np.float64) for x in (generated, real))
    n, m, d = len(a), len(b), a.shape[1]

    def kernel_sum(x, y):
        rows = range(0, len(x), CHUNK)
        return sum(((x[i : i + CHUNK] @ y.T / d + 1) ** 3).sum() for i in rows)

    def off_diagonal_sum(x):
        return kernel_sum(x, x) - (((x**2).sum(1) / d + 1) ** 3).sum()

    cross = 2 * kernel_sum(a, b) / (n * m)
    within = off_diagonal_sum(a) / (n * (n - 1)) + off_diagonal_sum(b) / (m * (m - 1))
    return float(within - cross)


def squared_distances(a: Any, b: Any) -> np.ndarray:
    """Computes squared Euclidean distances (n, m) of rows of a (n, ...), b (m, ...)."""
    a, b = (np.asarray(x, np.float32).reshape(len(x), -1) for x in (a, b))
    parts = [
        (part**2).sum(1)[:, None] - 2 * part @ b.T
        for part in np.array_split(a, -(-len(a) // CHUNK))
    ]
    return np.maximum(np.concatenate(parts) + (b**2).sum(1)[None], 0)


def precision_recall(generated: Any, real: Any) -> tuple[float, float]:
    """Computes improved precision and recall (Kynkaanniemi et al. 2019).

    Args:
      generated: features (n, d).
      real: features (m, d).

    Returns:
      the share of generated features inside the 3-NN manifold of the real ones, and the
      share of real features inside that of the generated ones.
    """

    def share_inside(x, manifold):
        distances = squared_distances(manifold, manifold)
        np.fill_diagonal(distances, np.inf)
        radii = np.partition(distances, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1]
        return float((squared_distances(x, manifold) <= radii[None]).any(1).mean())

    return share_inside(generated, real), share_inside(real, generated)


def class_shares(classes: Any, num_classes: int) -> np.ndarray:
    """Returns the share of each class among int classes (n,): (num_classes,)."""
    return np.bincount(np.asarray(classes), minlength=num_classes) / max(
        len(classes), 1
    )


def gaussian_images(images: Any, count: int) -> np.ndarray:
    """Samples a Gaussian with the mean and covariance of images: a linear baseline.

    Deterministic; the samples are clipped to [0, 1].

    Args:
      images: (n, ...) in [0, 1].
      count: the number of samples.

    Returns:
      float32 (count, ...).
    """
    flat = np.asarray(images, np.float64).reshape(len(images), -1)
    eigenvalues, eigenvectors = np.linalg.eigh(np.cov(flat, rowvar=False))
    scale = np.sqrt(np.maximum(eigenvalues, 0))
    noise = np.random.default_rng(0).normal(size=(count, len(scale))) * scale
    samples = np.clip(flat.mean(0) + noise @ eigenvectors.T, 0, 1)
    return samples.reshape(count, *images.shape[1:]).astype(np.float32)


def nearest_neighbors(generated: Any, real: Any) -> np.ndarray:
    """Returns the index of the real image nearest to each generated one: int (n,)."""
    return squared_distances(generated, real).argmin(1)
