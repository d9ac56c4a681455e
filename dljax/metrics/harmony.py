"""Harmony statistics of piano rolls: histograms of intervals, at once and over time.

Intervals are differences of pitch in semitones modulo 12; the statistics do not change
when a piece is transposed. NumPy only: the functions run on the host.
"""

from collections.abc import Sequence

import numpy as np

LAGS = (0, 1, 2, 4, 8, 16)  # steps between the notes of an interval
VOICES = 9  # bins of the number of simultaneous notes: 0 to 7, and more

Rolls = Sequence[np.ndarray]  # binary arrays (steps, keys)


def histograms(rolls: Rolls) -> list[np.ndarray]:
    """Computes the histograms of a set of pieces; each sums to 1.

    Returns:
      for each lag in `LAGS`, the shares (12,) of the intervals between notes that many
      steps apart; and last, the shares (9,) of steps with 0, 1 ... 7, 8 or more notes.
    """
    counts = [_interval_counts(rolls, lag) for lag in LAGS]
    voices = np.concatenate([np.asarray(roll).sum(-1) for roll in rolls])
    clipped = np.minimum(voices.astype(int), VOICES - 1)
    counts.append(np.bincount(clipped, minlength=VOICES))
    return [count / max(count.sum(), 1) for count in counts]


def _interval_counts(rolls: Rolls, lag: int) -> np.ndarray:
    """Counts (12,) of the intervals between notes `lag` steps apart."""
    counts = np.zeros(12)
    for roll in rolls:
        for frame, later_frame in zip(roll, roll[lag:], strict=False):
            low, high = np.flatnonzero(frame), np.flatnonzero(later_frame)
            interval = high[None] - low[:, None]
            interval = interval[interval > 0] if lag == 0 else interval.ravel()
            counts += np.bincount(interval % 12, minlength=12)
    return counts


def distance(a: Rolls, b: Rolls) -> float:
    """Computes the mean total variation distance, 0 to 1, of two sets' histograms."""
    pairs = zip(histograms(a), histograms(b), strict=True)
    return float(np.mean([np.abs(x - y).sum() / 2 for x, y in pairs]))


class MarkovChain:
    """A first-order Markov chain of whole frames, fitted to pieces.

    A baseline of generated music: all its chords and transitions occur in `rolls`.
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
        """Samples a continuation of a frame.

        Args:
          first: the frame (keys,). If it does not occur in the pieces, the chain starts
            from the nearest frame that does.
          steps: the number of frames to sample.
          rng: NumPy's generator.

        Returns:
          bool (steps, keys).
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
