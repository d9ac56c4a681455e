"""Compares two records of one trial: identical, within tolerance or different."""

import json
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

RTOL, ATOL = 1e-3, 1e-5  # for other versions, devices or numbers of cores

IDENTICAL, WITHIN, DIFFERENT = "identical", "within tolerance", "different"


class Comparison(NamedTuple):
    """The result of a comparison.

    outcome: IDENTICAL, WITHIN or DIFFERENT. first_difference: a sentence, or "".
    """

    outcome: str
    first_difference: str = ""


def worse(a: Comparison, b: Comparison) -> Comparison:
    """Returns the comparison with the larger difference; `a` if they are equal."""
    order = (IDENTICAL, WITHIN, DIFFERENT)
    return max(a, b, key=lambda c: order.index(c.outcome))


def arrays(old: Mapping[str, Any], new: Mapping[str, Any]) -> Comparison:
    """Compares two {name: host array} in their order; NaN equals NaN."""
    if old.keys() != new.keys():
        name = sorted(old.keys() ^ new.keys())[0]
        where = "recorded" if name in old else "replayed"
        return Comparison(DIFFERENT, f"array {name} is only in the {where} state")
    result = Comparison(IDENTICAL)
    for name, a in old.items():
        result = worse(result, _array(name, np.asarray(a), np.asarray(new[name])))
    return result


def _array(name: str, a: np.ndarray, b: np.ndarray) -> Comparison:
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return Comparison(
            DIFFERENT,
            f"array {name}: {a.dtype} {a.shape} recorded, {b.dtype} {b.shape} replayed",
        )
    if a.tobytes() == b.tobytes():
        return Comparison(IDENTICAL)
    x, y = a.astype(np.float64), b.astype(np.float64)
    differs = ~((x == y) | (np.isnan(x) & np.isnan(y)))
    gap = np.where(differs, np.abs(x - y), 0.0)
    largest = np.argmax(np.where(np.isnan(gap), np.inf, gap))
    index = np.unravel_index(largest, gap.shape)
    position = f"[{', '.join(map(str, index))}]"
    text = (
        f"array {name}: {int(differs.sum())} of {differs.size} values differ, most at "
        f"{position}: {x[index]:.9g} recorded, {y[index]:.9g} replayed"
    )
    is_exact = a.dtype.kind in "biu"  # steps and keys have no tolerance
    near = not is_exact and np.allclose(x, y, rtol=RTOL, atol=ATOL, equal_nan=True)
    return Comparison(WITHIN if near else DIFFERENT, text)


def rows(old: pathlib.Path, new: pathlib.Path) -> Comparison:
    """Compares two files metrics.jsonl line by line; a missing file has no rows."""
    old_lines, new_lines = (
        path.read_bytes().splitlines() if path.is_file() else [] for path in (old, new)
    )
    result = Comparison(IDENTICAL)
    for number, (a, b) in enumerate(zip(old_lines, new_lines, strict=False), 1):
        if a != b:
            result = worse(result, _row(number, a, b))
            if result.outcome == DIFFERENT:
                return result
    if len(old_lines) != len(new_lines):
        text = f"{len(old_lines)} rows recorded, {len(new_lines)} replayed"
        return Comparison(DIFFERENT, text)
    return result


def _row(number: int, old: bytes, new: bytes) -> Comparison:
    new_row = json.loads(new)
    try:
        old_row = json.loads(old)
    except ValueError:
        return Comparison(DIFFERENT, f"row {number}: the recorded line is not JSON")
    label = f"row {number} (step {new_row['step']}, seed {new_row['seed']})"
    outcome, text = DIFFERENT, f"{label}: equal values in another JSON form"
    names = sorted(old_row.keys() | new_row.keys(), key=list(new_row | old_row).index)
    for name in names:
        a, b = old_row.get(name), new_row.get(name)
        if a == b:
            continue
        are_floats = all(type(v) is float for v in (a, b))
        near = are_floats and np.isclose(a, b, rtol=RTOL, atol=ATOL)
        text = f"{label}: {name} {a} recorded, {b} replayed"
        outcome = WITHIN if near else DIFFERENT
        if not near:
            break
    return Comparison(outcome, text)
