"""How near what was generated is to what is real, by their features.

All take features (n, d) and (m, d) of a frozen network; a distance says little without
its floor, that of real ones against other real ones of the same number.
"""

from typing import Any

import numpy as np

NEIGHBOURS = 3  # of precision and recall
AT_ONCE = 500  # rows of distances in memory


def frechet(made: Any, real: Any) -> float:
    """The Frechet distance of two Gaussians of their means and covariances.

    It grows as n falls: compare at equal n. Source: Heusel et al. 2017.
    """
    import scipy.linalg

    a, b = (np.asarray(x, np.float64) for x in (made, real))
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    # The trace of the root of a product, by eigenvalues: none is imaginary but by
    # rounding.
    both = scipy.linalg.eigvals(first @ second).real
    spread = np.trace(first) + np.trace(second) - 2 * np.sqrt(np.maximum(both, 0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + spread)


def kernel(made: Any, real: Any) -> float:
    """The squared maximum mean discrepancy by the kernel (x . y / d + 1)^3, unbiased:
    0 on average where both are of one distribution, and below 0 at times.

    Source: Binkowski et al. 2018 (KID).
    """
    a, b = (np.asarray(x, np.float64) for x in (made, real))
    n, m, d = len(a), len(b), a.shape[1]

    def total(x, y):
        rows = range(0, len(x), AT_ONCE)
        return sum(((x[i : i + AT_ONCE] @ y.T / d + 1) ** 3).sum() for i in rows)

    def own(x):
        return total(x, x) - (((x**2).sum(1) / d + 1) ** 3).sum()

    mixed = 2 * total(a, b) / (n * m)
    return float(own(a) / (n * (n - 1)) + own(b) / (m * (m - 1)) - mixed)


def squares(a: Any, b: Any) -> np.ndarray:
    """Squared distances (n, m)."""
    a, b = (np.asarray(x, np.float32).reshape(len(x), -1) for x in (a, b))
    found = [
        (part**2).sum(1)[:, None] - 2 * part @ b.T
        for part in np.array_split(a, -(-len(a) // AT_ONCE))
    ]
    return np.maximum(np.concatenate(found) + (b**2).sum(1)[None], 0)


def precision_recall(made: Any, real: Any) -> tuple[float, float]:
    """The share of what was made that is among the real ones, and of the real ones that
    is among what was made: nearer to one of them than its third neighbour is.

    Source: Kynkaanniemi et al. 2019.
    """

    def among(x, y):
        own = squares(y, y)
        np.fill_diagonal(own, np.inf)
        reach = np.partition(own, NEIGHBOURS - 1, axis=1)[:, NEIGHBOURS - 1]
        return float((squares(x, y) <= reach[None]).any(1).mean())

    return among(made, real), among(real, made)


def shares(classes: Any, count: int) -> np.ndarray:
    """The share of each of `count` classes, (count,), among int (n,)."""
    return np.bincount(np.asarray(classes), minlength=count) / max(len(classes), 1)


def gaussian(images: Any, count: int) -> np.ndarray:
    """`count` draws from a Gaussian with the mean and covariance of images (n, ...),
    held within [0, 1]; always the same. What a linear model makes.
    """
    flat = np.asarray(images, np.float64).reshape(len(images), -1)
    values, vectors = np.linalg.eigh(np.cov(flat, rowvar=False))
    scale = np.sqrt(np.maximum(values, 0))
    rows = np.random.default_rng(0).normal(size=(count, len(scale))) * scale
    drawn = np.clip(flat.mean(0) + rows @ vectors.T, 0, 1)
    return drawn.reshape(count, *images.shape[1:]).astype(np.float32)


def nearest(made: Any, real: Any) -> np.ndarray:
    """int (n,): which real one is nearest to each that was made, by pixels."""
    return squares(made, real).argmin(1)
