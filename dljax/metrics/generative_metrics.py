"""Distances of generated images to real ones, by features of a frozen network.

Features are arrays (n, d) and (m, d). A distance is read beside its floor: that of real
images to as many other real ones.
"""

from typing import Any

import numpy as np

NEIGHBOURS = 3  # of precision and recall
CHUNK = 500  # rows of distances in memory


def frechet_distance(generated: Any, real: Any) -> float:
    """The Frechet distance of two Gaussians with the features' means and covariances.

    It grows as n falls: compare at equal n. Source: Heusel et al. 2017.
    """
    import scipy.linalg

    a, b = (np.asarray(x, np.float64) for x in (generated, real))
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The trace of the root of a product, by eigenvalues: imaginary parts are rounding.
    eigenvalues = scipy.linalg.eigvals(cov_a @ cov_b).real
    traces = np.trace(cov_a) + np.trace(cov_b)
    spread = traces - 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + spread)


def kernel_distance(generated: Any, real: Any) -> float:
    """The unbiased squared maximum mean discrepancy by the kernel (x . y / d + 1)^3.

    Of two samples of one distribution it is 0 on average, and may be negative. Source:
    Binkowski et al. 2018 (KID).
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
    """Squared Euclidean distances (n, m) of the rows of two arrays."""
    a, b = (np.asarray(x, np.float32).reshape(len(x), -1) for x in (a, b))
    parts = [
        (part**2).sum(1)[:, None] - 2 * part @ b.T
        for part in np.array_split(a, -(-len(a) // CHUNK))
    ]
    return np.maximum(np.concatenate(parts) + (b**2).sum(1)[None], 0)


def precision_recall(generated: Any, real: Any) -> tuple[float, float]:
    """Improved precision and recall: the share inside the other set's 3-NN manifold.

    Source: Kynkaanniemi et al. 2019.
    """

    def share_inside(x, manifold):
        distances = squared_distances(manifold, manifold)
        np.fill_diagonal(distances, np.inf)
        radii = np.partition(distances, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1]
        return float((squared_distances(x, manifold) <= radii[None]).any(1).mean())

    return share_inside(generated, real), share_inside(real, generated)


def class_shares(classes: Any, num_classes: int) -> np.ndarray:
    """The share of each class, (num_classes,), among int (n,)."""
    return np.bincount(np.asarray(classes), minlength=num_classes) / max(
        len(classes), 1
    )


def gaussian_images(images: Any, count: int) -> np.ndarray:
    """`count` samples of a Gaussian with the mean and covariance of images (n, ...),
    clipped to [0, 1]; the same at every call. The baseline of a linear model.
    """
    flat = np.asarray(images, np.float64).reshape(len(images), -1)
    eigenvalues, eigenvectors = np.linalg.eigh(np.cov(flat, rowvar=False))
    scale = np.sqrt(np.maximum(eigenvalues, 0))
    noise = np.random.default_rng(0).normal(size=(count, len(scale))) * scale
    samples = np.clip(flat.mean(0) + noise @ eigenvectors.T, 0, 1)
    return samples.reshape(count, *images.shape[1:]).astype(np.float32)


def nearest_neighbors(generated: Any, real: Any) -> np.ndarray:
    """int (n,): the real image nearest to each generated one, by pixels."""
    return squared_distances(generated, real).argmin(1)
