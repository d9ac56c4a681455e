"""Results as data: one JSON file per experiment and data set.

`dljax record` writes experiments/results/NAME-DATASET.json from a finished study.
`make tables` generates the tables and figures of the documentation from these files,
and `dljax list` shows their verdicts.
"""

import dataclasses
import json
import math
import pathlib
import types
import typing
from collections.abc import Mapping
from typing import Any

from dljax.errors import DAMAGED_DATA, UserError
from dljax.studies.study import VERDICTS
from dljax.trials.disk import write_text

ORIGINS = ("recorded", "prose")
DIGITS = 6  # significant digits of every number


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedMetric:
    """A test metric of one variant: the mean over seeds and its 95 % interval.

    ci_low, ci_high: None if unknown.
    values: one per seed, in the order of the result's seeds, None for a failed run.
      The whole field is None for a result of origin "prose".
    """

    mean: float
    ci_low: float | None
    ci_high: float | None
    values: tuple[float | None, ...] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedVariant:
    """One variant.

    n: the number of finished runs. metrics: {metric: its mean and values}.
    """

    variant: str
    n: int
    metrics: Mapping[str, RecordedMetric]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedContrast:
    """One contrast, a minus b, in the units of its metric.

    ci_low, ci_high: the 95 % interval of this difference alone.
    simultaneous_low, simultaneous_high: the interval that holds jointly with those of
      the study's other contrasts.
    All fields but the name and the difference are None if unknown.
    """

    name: str
    a: str | None
    b: str | None
    difference: float
    ci_low: float | None
    ci_high: float | None
    simultaneous_low: float | None
    simultaneous_high: float | None
    p: float | None
    p_adjusted: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedSpec:
    """The size that a study ran at.

    full: whether with --full. factors: {factor: levels}.
    fixed: {field: value} of all other settings; "tuned" for a tuned field.
    """

    full: bool
    factors: Mapping[str, tuple[Any, ...]]
    fixed: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedResult:
    """The result of one study: the content of one file.

    experiment: the module's name in the package `experiments`: "reference.adding".
    origin: "recorded" by `dljax record`, or "prose" if entered by hand from text.
    date: the day of the last trial, YYYY-MM-DD (UTC).
    minutes: the wall time of all trials.
    spec, rule_sha256: None if the origin is "prose".
    seeds: the seeds of the verdict.
    test_train_ratio: see `statistics.interval`.
    why: the reason why no verdict is given, or "".
    notes: remarks without a number.
    """

    experiment: str
    dataset: str
    origin: str
    date: str | None
    minutes: float | None
    hardware: str | None
    versions: Mapping[str, str]
    spec: RecordedSpec | None
    rule_sha256: str | None
    seeds: tuple[int, ...]
    test_train_ratio: float = 0.0
    primary_metric: str
    verdict: str
    why: str
    variants: tuple[RecordedVariant, ...]
    contrasts: tuple[RecordedContrast, ...]
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """NAME-DATASET, the file's name without ".json"."""
        return f"{self.experiment}-{self.dataset}"

    def values(self, variant: str, metric: str) -> dict[int, float]:
        """Returns {seed: value} of one metric; empty if values per seed are unknown."""
        rows = {row.variant: row.metrics for row in self.variants}
        recorded = rows.get(variant, {}).get(metric)
        values = (recorded.values if recorded else None) or ()
        pairs = zip(self.seeds, values, strict=bool(values))
        return {seed: value for seed, value in pairs if value is not None}


def read_all(directory: pathlib.Path) -> tuple[RecordedResult, ...]:
    """Reads the results of all JSON files in a directory, sorted by file name."""
    return tuple(read(path) for path in sorted(directory.glob("*.json")))


def read(path: pathlib.Path) -> RecordedResult:
    """Reads a result from a JSON file.

    Raises:
      UserError: the file is not JSON, or a key is missing, unknown or of another type.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise _damaged(path, f"not JSON ({error})") from None
    except OSError as error:
        raise _damaged(path, str(error.strerror)) from None
    try:
        if isinstance(value, dict) and not value.get("spec", True):
            value = {**value, "spec": None}  # {} for prose
        result = _decode(RecordedResult, value, "")
        _check(result, path.stem)
    except _BadKey as error:
        raise _damaged(path, str(error)) from None
    return result


def write(path: pathlib.Path, result: RecordedResult) -> None:
    """Writes a result as JSON: keys in the order of the fields, one metric per line."""
    write_text(path, _format(_rounded(_encode(result))) + "\n")


def _damaged(path: pathlib.Path, fault: str) -> UserError:
    return UserError(
        "damaged-record",
        f"{path}: {fault}; write it again with dljax record WORKDIR",
        DAMAGED_DATA,
    )


class _BadKey(Exception):
    """A key with an invalid value."""

    def __init__(self, key: str, fault: str):
        super().__init__(f"{key or 'the file'}: {fault}")


def _check(result: RecordedResult, stem: str) -> None:
    """Raises _BadKey if fields contradict each other or the file's name."""
    if result.name != stem:
        raise _BadKey("experiment", f"{result.name!r} is not the file's name")
    if result.origin not in ORIGINS:
        raise _BadKey("origin", f"{result.origin!r} is not one of {ORIGINS}")
    if result.verdict not in VERDICTS:
        raise _BadKey("verdict", f"{result.verdict!r} is not one of {VERDICTS}")
    for i, row in enumerate(result.variants):
        for name, metric in row.metrics.items():
            if metric.values is not None and len(metric.values) != len(result.seeds):
                raise _BadKey(
                    f"variants[{i}].metrics.{name}.values",
                    f"{len(metric.values)} values of {len(result.seeds)} seeds",
                )


def _decode(kind: Any, value: Any, key: str) -> Any:
    """Converts a JSON value to a record, tuple, mapping or plain value of a type."""
    if kind is Any:
        return value
    if isinstance(kind, types.UnionType):
        some, _ = typing.get_args(kind)  # X | None
        return None if value is None else _decode(some, value, key)
    if dataclasses.is_dataclass(kind):
        return _decode_record(kind, value, key)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and isinstance(value, list):
        return tuple(
            _decode(arguments[0], v, f"{key}[{i}]") for i, v in enumerate(value)
        )
    if origin is Mapping and isinstance(value, dict):
        return {k: _decode(arguments[1], v, f"{key}.{k}") for k, v in value.items()}
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if origin is None and type(value) is kind:
        return value
    expected = getattr(origin or kind, "__name__", str(kind))
    raise _BadKey(key, f"{value!r:.40} is not of type {expected}")


def _decode_record(kind: Any, value: Any, key: str) -> Any:
    """Converts a JSON object to a dataclass; fields with a default may be missing."""
    if not isinstance(value, dict):
        raise _BadKey(key, "not an object")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    prefix = f"{key}." if key else ""
    if unknown := [name for name in value if name not in fields]:
        raise _BadKey(f"{prefix}{unknown[0]}", "unknown key")
    for name, field in fields.items():
        if name not in value and field.default is dataclasses.MISSING:
            raise _BadKey(f"{prefix}{name}", "missing")
    kinds = typing.get_type_hints(kind)
    return kind(**{k: _decode(kinds[k], v, f"{prefix}{k}") for k, v in value.items()})


def _encode(value: Any) -> Any:
    """Converts a record to JSON values, without unknown values per seed."""
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        if isinstance(value, RecordedMetric) and value.values is None:
            del fields["values"]
        if isinstance(value, RecordedResult) and value.spec is None:
            fields["spec"] = {}
        return {k: _encode(v) for k, v in fields.items()}
    if isinstance(value, Mapping):
        return {k: _encode(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_encode(v) for v in value]
    return value


def _rounded(value: Any) -> Any:
    """Rounds every float in a JSON value to `DIGITS` significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list) else value


def _format(value: Any, indent: int = 0) -> str:
    """Formats JSON with an indent of 1; metrics and plain lists fill one line each."""
    pad = " " * (indent + 1)
    plain = isinstance(value, list) and not any(
        isinstance(v, dict | list) for v in value
    )
    if plain or not isinstance(value, dict | list) or not value or _is_metric(value):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        parts = [_format(v, indent + 1) for v in value]
        begin, end = "[]"
    else:
        parts = [f"{json.dumps(k)}: {_format(v, indent + 1)}" for k, v in value.items()]
        begin, end = "{}"
    lines = f",\n{pad}".join(parts)
    return f"{begin}\n{pad}{lines}\n{' ' * indent}{end}"


def _is_metric(value: Any) -> bool:
    return isinstance(value, dict) and "mean" in value
