"""Truth tables of logic gates as images: pairs of handwritten zeros and ones."""

import numpy as np

from dljax.errors import UserError
from dljax.types import Source

GATES = {
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
}
FOLDS = 5


def digit_pairs(
    source: Source, gate: str, *, pairs_per_row: int = 100, seed: int = 0
) -> Source:
    """Returns a source of pairs of digits, 0 or 1, labelled with the gate's output.

    Args:
      source: digits in five folds. Both images of a pair are from one fold, so that no
        image is in two splits of a seed.
      gate: a key of `GATES`.
      pairs_per_row: the number of pairs per row of the truth table and fold.
      seed: selects the pairs, which are the same for all seeds of a study.

    Returns:
      a source whose batches have `image`, float32 (b, h, 2 w, c) in [0, 1], and
      `label`, int32 (b,).

    Raises:
      KeyError: `gate` is not in `GATES`.
      UserError: the source has no folds.
    """
    if np.array_equal(*(source.split(fold)["test"] for fold in (0, 1))):
        raise UserError(
            "dataset-wrong-kind",
            f"--dataset={source.name}: has a fixed test split; give a data set with "
            "folds, such as digits",
        )
    rng, output = np.random.default_rng(seed), GATES[gate]
    images, labels = (source.arrays[name] for name in ("image", "label"))
    pairs, outputs, folds = [], [], []
    for fold in range(FOLDS):
        rows = source.split(fold)["test"]
        rows_of = [rows[labels[rows] == bit] for bit in (0, 1)]
        for a, b in ((0, 0), (0, 1), (1, 0), (1, 1)):
            left, right = (
                images[rng.choice(rows_of[bit], pairs_per_row)] for bit in (a, b)
            )
            pairs.append(np.concatenate([left, right], axis=2))
            outputs += [output(a, b)] * pairs_per_row
            folds += [fold] * pairs_per_row
    fold_of = np.array(folds)

    def split(seed):
        test, valid = seed % FOLDS, (seed + 1) % FOLDS
        held_out = {"valid": fold_of == valid, "test": fold_of == test}
        train = ~(held_out["valid"] | held_out["test"])
        return {k: np.flatnonzero(v) for k, v in {"train": train, **held_out}.items()}

    return source._replace(
        name=f"{source.name}-{gate}",
        fingerprint=f"{source.fingerprint}-{gate}{pairs_per_row}.{seed}",
        arrays={"image": np.concatenate(pairs), "label": np.array(outputs, np.int32)},
        split=split,
        classes=("off", "on"),
        test_train_ratio=1 / (FOLDS - 2),
    )
