"""What piano rolls sound like, in numbers: intervals at once and over time.

A piece's key does not matter: what is counted are differences of pitch, in semitones
and without octaves. Pure NumPy, for a task's sample evaluator.
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
    totals: list[np.ndarray] = []
    for lag in LAGS:
        counts = np.zeros(12)
        for roll in rolls:
            for before, after in zip(roll, roll[lag:], strict=False):
                low, high = np.flatnonzero(before), np.flatnonzero(after)
                apart = high[None] - low[:, None]
                apart = apart[apart > 0] if lag == 0 else apart.ravel()
                counts += np.bincount(apart % 12, minlength=12)
        totals.append(counts)
    voices = np.concatenate([np.asarray(roll).sum(-1) for roll in rolls])
    num_notes = np.minimum(voices.astype(int), VOICES - 1)
    totals.append(np.bincount(num_notes, minlength=VOICES))
    return [counts / max(counts.sum(), 1) for counts in totals]


def distance(a: Rolls, b: Rolls) -> float:
    """How differently two sets of pieces sound, 0 to 1: the mean over the histograms of
    the total variation, half the sum of all differences of shares.
    """
    pairs = zip(histograms(a), histograms(b), strict=True)
    return float(np.mean([np.abs(x - y).sum() / 2 for x, y in pairs]))


class Chain:
    """A Markov chain of whole frames: each is followed by what followed it in `rolls`.

    The baseline of music that is made: all its chords and changes are real.
    """

    def __init__(self, rolls: Rolls):
        self._frames = np.concatenate([np.asarray(roll, bool) for roll in rolls])
        ends = set(np.cumsum([len(roll) for roll in rolls]) - 1)
        self._next: dict[bytes, list[int]] = {}
        for i, frame in enumerate(self._frames[:-1]):
            if i not in ends:
                self._next.setdefault(frame.tobytes(), []).append(i + 1)
        self._known = [i for i in range(len(self._frames)) if i not in ends]

    def draw(
        self, first: np.ndarray, steps: int, rng: np.random.Generator
    ) -> np.ndarray:
        """(steps, keys) after `first` (keys,), or after what is most like it."""
        now = np.asarray(first, bool)
        frames = np.zeros((steps, len(now)), bool)
        for step in range(steps):
            follow = self._next.get(now.tobytes())
            if follow is None:
                known = self._frames[self._known]
                now = known[np.abs(known ^ now).sum(-1).argmin()]
                follow = self._next[now.tobytes()]
            now = self._frames[rng.choice(follow)]
            frames[step] = now
        return frames
