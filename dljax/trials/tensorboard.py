"""TensorBoard event files of a trial, one folder per run, without TensorFlow.

TRIAL/tensorboard/VARIANT-seedN/ contains each metric as SPLIT/NAME by step. The files
are a copy of metrics.jsonl: a resumed trial writes them again from the first row.
"""

import pathlib
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from dljax.errors import UserError

ROW_KEYS = ("step", "seed", "variant", "split")  # all other keys are metrics


class Writer:
    """Writes rows of metrics.jsonl as event files.

    A class, because its files stay open.

    Args:
      directory: the trial's directory.
      rows: the rows of metrics.jsonl so far.

    Raises:
      UserError: the package tensorboardX is not installed.
    """

    def __init__(self, directory: pathlib.Path, rows: Iterable[Mapping[str, Any]]):
        try:
            import tensorboardX
        except ImportError:
            raise UserError(
                "extra-not-installed",
                "--tensorboard: needs the package tensorboardX; install it with "
                "pip install 'dljax[tensorboard]'",
            ) from None
        self._writer_class = tensorboardX.SummaryWriter
        self._folder = directory / "tensorboard"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._writers: dict[str, Any] = {}
        self.write(rows)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Writes the finite metrics of rows."""
        for row in rows:
            name = f"{row['variant'].replace('/', '-')}-seed{row['seed']}"
            if name not in self._writers:
                self._writers[name] = self._writer_class(str(self._folder / name))
            for metric, value in row.items():
                if metric not in ROW_KEYS and value is not None:
                    tag = f"{row['split']}/{metric}"
                    self._writers[name].add_scalar(tag, value, row["step"])

    def close(self) -> None:
        """Flushes and closes all files."""
        for writer in self._writers.values():
            writer.close()
