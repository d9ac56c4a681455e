"""Samples that are heard: music as piano rolls, and sounds."""

from collections.abc import Mapping

import numpy as np

from dljax.datasets.piano_roll import KEYS, LOWEST
from dljax.reporting.figures import plt
from dljax.reporting.sample_figures import ROWS, Samples, asked_for, said
from dljax.trials.samples import SAID

HEARD = 5  # sounds of each kind
SOUND = " sound"  # ends the name of what is to be heard


def music(samples: Samples) -> dict[str, np.ndarray]:
    """{"real", and each variant: a piano roll (steps, 88)}: the first test example, and
    what each net made of its beginning.
    """
    found: dict[str, np.ndarray] = {}
    for variant, sample in list(samples.items())[:ROWS]:
        if f"{SAID}roll" in sample:
            found.setdefault("real", sample[f"{SAID}real roll"][0])
            found[variant] = sample[f"{SAID}roll"][0]
    return found


def sounds(samples: Samples, classes: list[str]) -> dict[str, np.ndarray]:
    """{"real", "VARIANT, what", and of which classes: int16 (samples,)}: a few examples
    one after another.
    """
    found: dict[str, np.ndarray] = {}
    for variant, sample in list(samples.items())[:ROWS]:
        for title, waves in said(sample).items():
            if title.endswith(SOUND):
                what = title.removesuffix(SOUND)
                name = what if what == "real" else f"{variant}, {what}"
                if what == "generated" and (asked := asked_for(sample, classes)):
                    name += f": {' '.join(asked[:HEARD])}"
                found.setdefault(name, waves[:HEARD].reshape(-1))
    return found


def rolls(pieces: Mapping[str, np.ndarray]):
    """Piano rolls, one above the other, time to the right; None without any."""
    if not pieces:
        return None
    figure, axes = plt().subplots(
        len(pieces),
        1,
        figsize=(9, 1.3 * len(pieces)),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    played = np.flatnonzero(np.max([roll.max(0) for roll in pieces.values()], 0) > 0.5)
    low, high = (played[0], played[-1]) if len(played) else (0, KEYS - 1)
    for axis, (name, roll) in zip(axes[:, 0], pieces.items(), strict=True):
        axis.imshow(
            roll.T.astype(float),
            cmap="Greys",
            vmin=0,
            vmax=1,
            aspect="auto",
            origin="lower",
            extent=(0, len(roll), LOWEST - 0.5, LOWEST + KEYS - 0.5),
            interpolation="nearest",
        )
        axis.set_ylim(LOWEST + low - 1, LOWEST + high + 1)
        axis.set_ylabel(name, fontsize=8)
        axis.grid(False)
    axes[-1, 0].set_xlabel("step")
    return figure
