"""TensorBoard event files of a trial, one set a run, written without TensorFlow.

TRIAL/tensorboard/VARIANT-seedN/ has each metric as SPLIT/NAME over the steps. What is
there is metrics.jsonl once more: a trial that resumes writes it again from its start.
"""

import pathlib
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from dljax.errors import UserError

BESIDE = ("step", "seed", "variant", "split")  # in a row, besides its metrics


class Writer:
    """Writes rows of metrics.jsonl; a class, because it keeps files open.

    Raises:
      UserError: the package that writes them is not installed.
    """

    def __init__(self, directory: pathlib.Path, rows: Iterable[Mapping[str, Any]]):
        try:
            import tensorboardX
        except ImportError:
            raise UserError(
                "--tensorboard: needs tensorboardX; pip install 'dljax[tensorboard]'"
            ) from None
        self._make = tensorboardX.SummaryWriter
        self._folder = directory / "tensorboard"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._files: dict[str, Any] = {}
        self.write(rows)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Adds the finite values of rows."""
        for row in rows:
            name = f"{row['variant'].replace('/', '-')}-seed{row['seed']}"
            if name not in self._files:
                self._files[name] = self._make(str(self._folder / name))
            for metric, value in row.items():
                if metric not in BESIDE and value is not None:
                    tag = f"{row['split']}/{metric}"
                    self._files[name].add_scalar(tag, value, row["step"])

    def close(self) -> None:
        """Puts all on disk."""
        for file in self._files.values():
            file.close()
