"""What a person sees of a run: a bar on a terminal, plain lines elsewhere."""

import sys
import time

from tqdm import tqdm

LINE_SECS = 10.0  # between plain lines


class Progress:
    """Steps a second, loss and time left of one trial at a time, on stderr.

    A class, because a bar has a beginning and an end.
    """

    def __init__(self):
        self._bar = None
        self._terminal = sys.stderr.isatty()
        self._said = self._begun = 0.0
        self._total = self._from = 0
        self._label = ""
        self._compiled = False

    def say(self, line: str) -> None:
        """A line that stays."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def begin(self, total: int, start: int, label: str) -> None:
        """A trial of `total` steps begins at step `start`."""
        self._total, self._from, self._label = total, start, label
        self._compiled = False
        self._begun = self._said = time.monotonic()
        if self._terminal:
            self._bar = tqdm(
                total=total, initial=start, desc=label, unit="step", dynamic_ncols=True
            )

    def update(self, step: int, metrics: dict[str, float]) -> None:
        """The trial has reached `step`; `metrics` are means over its seeds."""
        shown = {k: f"{v:.4g}" for k, v in metrics.items() if k.endswith("loss")}
        if self._bar is not None:
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update(step - self._bar.n)
            if step == self._total:
                self._bar.set_description(f"{self._label}, testing")
            return
        now, last = time.monotonic(), step == self._total
        if not (self._compiled or last):  # the rate is that of what follows
            self._compiled, self._begun, self._from = True, now, step
            return
        if now - (self._begun if last else self._said) >= LINE_SECS:
            self._said = now
            rate = (step - self._from) / (self._said - self._begun)
            left = (self._total - step) / rate if rate else float("inf")
            losses = " ".join(f"{k} {v}" for k, v in shown.items())
            self.say(
                f"{self._label}: step {step}/{self._total}, {losses}, "
                f"{rate:.1f} steps/s, {'testing' if last else f'{left:.0f} s left'}"
            )

    def end(self) -> None:
        """The trial has ended."""
        if self._bar is not None:
            self._bar.set_description(self._label)
            self._bar.close()
            self._bar = None
