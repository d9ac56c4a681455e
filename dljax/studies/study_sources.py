"""The sources of one command: each is built once, and each data set is read once.

A script's `source(config)` reads some fields of the config. Variants with equal values
of these fields share one source.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from dljax.datasets import loading
from dljax.errors import UserError
from dljax.types import Source


class StudySources:
    """Caches a script's `source` by the fields of the config that it reads.

    The sources live as long as this object, which a command creates.

    Args:
      make: the script's `source`.
    """

    def __init__(self, make: Callable[[Any], Source]):
        self._make = make
        self._sources: list[tuple[dict[str, Any], Source]] = []
        self._datasets: loading.Datasets = {}

    def __call__(self, config: Any) -> Source:
        """Returns the source of a config.

        Raises:
          UserError: the data set is missing or damaged. Functions of the source raise
            it if they read the config, because several configs may share the source.
        """
        for fields, source in self._sources:
            if all(getattr(config, k) == v for k, v in fields.items()):
                return source
        recorder, fields = _recorder(config)
        with loading.sharing(self._datasets):
            source = self._make(recorder)
        object.__setattr__(recorder, "_sealed", True)
        self._sources.append((fields, source))
        return source


def _recorder(config: Any) -> tuple[Any, dict[str, Any]]:
    """Returns a copy of a config, and {field: value} of the fields read from the copy.

    Once the attribute `_sealed` of the copy is true, reading a field raises UserError.
    """
    names = frozenset(field.name for field in dataclasses.fields(config))
    fields: dict[str, Any] = {}

    class Recorder(type(config)):  # type: ignore[misc]
        _sealed = False

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name in names:
                if super().__getattribute__("_sealed"):
                    raise UserError(
                        "source-reads-config",
                        f"source: one of its functions reads config.{name} later; read "
                        "the field in source(config) and use its value",
                    )
                fields[name] = value
            return value

    recorder = object.__new__(Recorder)
    for name in names:
        object.__setattr__(recorder, name, getattr(config, name))
    return recorder, fields
