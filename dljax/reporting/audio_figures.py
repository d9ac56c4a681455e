"""Selects piano rolls and sounds from samples, and draws piano rolls."""

from collections.abc import Mapping

import numpy as np

from dljax.datasets.piano_roll import KEYS, LOWEST
from dljax.rendering import Audio, PianoRolls, of_kind
from dljax.reporting.audio_files import MAX_SOUNDS
from dljax.reporting.figures import plt
from dljax.reporting.sample_figures import Samples, shown_variants


def select_piano_rolls(samples: Samples) -> dict[str, np.ndarray]:
    """Selects a real and a predicted piano roll per variant.

    Returns:
      {"real" or variant: roll (steps, 88)}: the first test piece, and the notes or
      probabilities that each network predicts for its steps.
    """
    rolls: dict[str, np.ndarray] = {}
    for variant, renderings in shown_variants(samples).items():
        for record in of_kind(renderings, PianoRolls):
            name = "real" if record.role == "real" else variant
            rolls.setdefault(name, record.rolls[0])
    return rolls


def select_sounds(samples: Samples) -> list[tuple[str, Audio]]:
    """Selects sounds: [(name, sounds)], real ones once, generated ones per variant."""
    sounds: dict[str, Audio] = {}
    for variant, renderings in shown_variants(samples).items():
        for record in of_kind(renderings, Audio):
            real = record.role == "real"
            name = record.title if real else f"{variant}, {record.title}"
            if record.target_classes:
                name += f": {' '.join(record.target_classes[:MAX_SOUNDS])}"
            sounds.setdefault(name, record)
    return list(sounds.items())


def draw_piano_rolls(rolls: Mapping[str, np.ndarray]):
    """Draws piano rolls (steps, 88), one per row; None if there are none."""
    if not rolls:
        return None
    figure, axes = plt().subplots(
        len(rolls),
        1,
        figsize=(9, 1.3 * len(rolls)),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    played = np.flatnonzero(np.max([roll.max(0) for roll in rolls.values()], 0) > 0.5)
    low, high = (played[0], played[-1]) if len(played) else (0, KEYS - 1)
    for axis, (name, roll) in zip(axes[:, 0], rolls.items(), strict=True):
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
