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
    """`make`, a script's `source`, which is called once for configs that it cannot tell
    apart; it lives as long as the command that created it.
    """

    def __init__(self, make: Callable[[Any], Source]):
        self._make = make
        self._made: list[tuple[dict[str, Any], Source]] = []
        self._datasets: loading.Datasets = {}

    def __call__(self, config: Any) -> Source:
        """The source of a config.

        Raises:
          UserError: see the script; or a function that it returned read the config,
            which a source that is shared by several configs cannot do.
        """
        for fields, source in self._made:
            if all(getattr(config, k) == v for k, v in fields.items()):
                return source
        recorder, fields = _recorder(config)
        with loading.sharing(self._datasets):
            source = self._make(recorder)
        object.__setattr__(recorder, "_sealed", True)
        self._made.append((fields, source))
        return source


def _recorder(config: Any) -> tuple[Any, dict[str, Any]]:
    """An equal config, and {field: value} of all that is read from it until it is
    sealed.
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
                        f"source: a function that it returns reads config.{name}; read "
                        "it before and use its value"
                    )
                fields[name] = value
            return value

    recorder = object.__new__(Recorder)
    for name in names:
        object.__setattr__(recorder, name, getattr(config, name))
    return recorder, fields
