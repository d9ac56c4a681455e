"""Progress of a trial on stderr: a bar in a terminal, plain lines elsewhere."""

import sys
import time

from tqdm import tqdm

LINE_SECS = 10.0  # seconds between plain lines


class Progress:
    """Receives the progress of a trial; this base class ignores it."""

    def log(self, line: str) -> None:
        """Prints a line above the progress bar."""

    def start(self, total: int, step: int, label: str) -> None:
        """Called when a trial of `total` steps starts at `step`."""

    def update(self, step: int, metrics: dict[str, float]) -> None:
        """Called when the trial reaches `step`; `metrics` are means over its runs."""

    def finish(self) -> None:
        """Called when the trial has ended."""


class TerminalProgress(Progress):
    """Prints steps per second, losses and the remaining time on stderr.

    A class, because a bar has a start and an end.
    """

    def __init__(self):
        self._bar = None
        self._is_terminal = sys.stderr.isatty()
        self._last_line_at = self._started_at = 0.0
        self._total = self._start_step = 0
        self._label = ""
        self._is_compiled = False

    def log(self, line: str) -> None:
        """See `Progress`."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)

    def start(self, total: int, step: int, label: str) -> None:
        """See `Progress`."""
        self._total, self._start_step, self._label = total, step, label
        self._is_compiled = False
        self._started_at = self._last_line_at = time.monotonic()
        if self._is_terminal:
            self._bar = tqdm(
                total=total, initial=step, desc=label, unit="step", dynamic_ncols=True
            )

    def update(self, step: int, metrics: dict[str, float]) -> None:
        """See `Progress`."""
        losses = {k: f"{v:.4g}" for k, v in metrics.items() if k.endswith("loss")}
        if self._bar is not None:
            self._bar.set_postfix(losses, refresh=False)
            self._bar.update(step - self._bar.n)
            if step == self._total:
                self._bar.set_description(f"{self._label}, testing")
            return
        now, is_last = time.monotonic(), step == self._total
        if not (self._is_compiled or is_last):  # the rate excludes compilation
            self._is_compiled, self._started_at, self._start_step = True, now, step
            return
        since = self._started_at if is_last else self._last_line_at
        if now - since >= LINE_SECS:
            self._last_line_at = now
            rate = (step - self._start_step) / (now - self._started_at)
            left = (self._total - step) / rate if rate else float("inf")
            self.log(
                f"{self._label}: step {step}/{self._total}, "
                f"{' '.join(f'{k} {v}' for k, v in losses.items())}, "
                f"{rate:.1f} steps/s, {'testing' if is_last else f'{left:.0f} s left'}"
            )

    def finish(self) -> None:
        """See `Progress`."""
        if self._bar is not None:
            self._bar.set_description(self._label)
            self._bar.close()
            self._bar = None
