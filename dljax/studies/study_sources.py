"""The sources of one command: each distinct one is made once, each data set read once.

A script's `source(config)` reads some fields of the config. Variants that agree on the
fields that were read share one source.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

from dljax.datasets import loading
from dljax.errors import UserError
from dljax.types import Source


class StudySources:
    """A script's `source`, called once for all configs that it cannot tell apart.

    The sources live as long as this object, which a command creates.
    """

    def __init__(self, make: Callable[[Any], Source]):
        self._make = make
        self._sources: list[tuple[dict[str, Any], Source]] = []
        self._datasets: loading.Datasets = {}

    def __call__(self, config: Any) -> Source:
        """The source of a config.

        Raises:
          UserError: see the script; or a function of the source reads the config later,
            though several configs share the source.
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
    """An equal config, and {field: value} of the fields that are read from it.

    Once its attribute `_sealed` is true, reading a field raises UserError.
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
                        f"source: a function that it returns reads config.{name}; read "
                        "it before and use its value",
                    )
                fields[name] = value
            return value

    recorder = object.__new__(Recorder)
    for name in names:
        object.__setattr__(recorder, name, getattr(config, name))
    return recorder, fields
