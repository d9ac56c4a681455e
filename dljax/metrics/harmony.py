"""Harmony of piano rolls in numbers: intervals at once and over time.

Intervals are differences of pitch in semitones, modulo the octave, so that a piece's
key does not matter. Pure NumPy, for a task's sample evaluator.
"""

from collections.abc import Sequence

import numpy as np

LAGS = (0, 1, 2, 4, 8, 16)  # steps between the notes of an interval
VOICES = 9  # notes at once: 0 to 7, and more

Rolls = Sequence[np.ndarray]  # of (steps, keys), which sound


def histograms(rolls: Rolls) -> list[np.ndarray]:
    """For each lag the shares of the 12 intervals between notes so many steps apart;
    and, last, the shares of steps with 0, 1, 2 ... notes.
    """
    counts = [_interval_counts(rolls, lag) for lag in LAGS]
    voices = np.concatenate([np.asarray(roll).sum(-1) for roll in rolls])
    clipped = np.minimum(voices.astype(int), VOICES - 1)
    counts.append(np.bincount(clipped, minlength=VOICES))
    return [count / max(count.sum(), 1) for count in counts]


def _interval_counts(rolls: Rolls, lag: int) -> np.ndarray:
    """How often each of the 12 intervals occurs between notes `lag` steps apart."""
    counts = np.zeros(12)
    for roll in rolls:
        for frame, later_frame in zip(roll, roll[lag:], strict=False):
            low, high = np.flatnonzero(frame), np.flatnonzero(later_frame)
            interval = high[None] - low[:, None]
            interval = interval[interval > 0] if lag == 0 else interval.ravel()
            counts += np.bincount(interval % 12, minlength=12)
    return counts


def distance(a: Rolls, b: Rolls) -> float:
    """Mean total variation distance of the histograms of two sets of pieces, 0 to 1."""
    pairs = zip(histograms(a), histograms(b), strict=True)
    return float(np.mean([np.abs(x - y).sum() / 2 for x, y in pairs]))


class Chain:
    """A Markov chain of whole frames: a frame's successor is one of its successors in
    `rolls`.

    A baseline of generated music: all its chords and changes are real.
    """

    def __init__(self, rolls: Rolls):
        self._frames = np.concatenate([np.asarray(roll, bool) for roll in rolls])
        last = set(np.cumsum([len(roll) for roll in rolls]) - 1)
        self._next: dict[bytes, list[int]] = {}
        for i, frame in enumerate(self._frames[:-1]):
            if i not in last:
                self._next.setdefault(frame.tobytes(), []).append(i + 1)
        self._with_successor = [i for i in range(len(self._frames)) if i not in last]

    def draw(
        self, first: np.ndarray, steps: int, rng: np.random.Generator
    ) -> np.ndarray:
        """(steps, keys) after the frame `first` (keys,), or after the training frame
        nearest to it.
        """
        frame = np.asarray(first, bool)
        roll = np.zeros((steps, len(frame)), bool)
        for step in range(steps):
            successors = self._next.get(frame.tobytes())
            if successors is None:
                training = self._frames[self._with_successor]
                frame = training[np.abs(training ^ frame).sum(-1).argmin()]
                successors = self._next[frame.tobytes()]
            frame = self._frames[rng.choice(successors)]
            roll[step] = frame
        return roll
