"""Pages over several studies: a landing page, and a comparison of a few.

Both are made from what the studies' own reports left: report.json, study.json and
results.csv.
"""

import csv
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dljax.errors import DAMAGED_DATA, UserError
from dljax.reporting import figures
from dljax.reporting.templates import data_uri, environment, number, sentence
from dljax.studies import statistics
from dljax.studies.study_spec import StudySpec, read_spec
from dljax.trials.disk import read_json, write_text


class Study(NamedTuple):
    """A study that has a report. values: {variant: {seed: primary metric}}."""

    name: str
    directory: pathlib.Path
    report: dict[str, Any]
    spec: StudySpec
    values: dict[str, dict[int, float]]


def read(directory: pathlib.Path) -> Study:
    """Reads what a study's report left; raises UserError where there is none."""
    path, spec = directory / "report.json", read_spec(directory)
    if not path.is_file() or spec is None:
        raise UserError(f"{directory}: no report there; give the directory of a study")
    report = read_json(path) or {}
    values: dict[str, dict[int, float]] = {}
    try:
        with open(directory / "results.csv", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                if row["metric"] == report["primary_metric"] and row["value"]:
                    mine = values.setdefault(row["variant"], {})
                    mine[int(row["seed"])] = float(row["value"])
    except (OSError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{directory}: its report is damaged; dljax report {directory} "
            "writes it again",
            DAMAGED_DATA,
        ) from None
    return Study(directory.name, directory, report, spec, values)


def index(root: pathlib.Path) -> pathlib.Path:
    """Writes ROOT/index.html, a card for every study with a report below it.

    Raises:
      UserError: there is none.
    """
    found = [read(path.parent) for path in sorted(root.rglob("report.json"))]
    if not found:
        raise UserError(f"{root}: no study with a report below it")
    cards = [
        {
            "link": f"{os.path.relpath(s.directory, root)}/report.html",
            "name": s.name,
            "sentence": sentence(s.report),
        }
        | {
            k: s.report[k]
            for k in ("claim", "verdict", "dataset", "primary_metric", "smoke")
        }
        | {"seeds": len(s.spec.seeds), "variants": s.report["variants"]}
        for s in found
    ]
    path = root / "index.html"
    write_text(path, environment().get_template("index.html").render(cards=cards))
    return path


def compare(studies: Sequence[Study], folder: pathlib.Path) -> tuple[pathlib.Path, str]:
    """Writes FOLDER/A_vs_B.html; returns its path and what a terminal shows.

    Each study after the first is compared with it, variant by variant, paired by the
    seeds that both have; the simultaneous intervals are over all of these. The file is
    named after the studies.

    Raises:
      UserError: they do not measure the same.
    """
    metrics = dict.fromkeys(s.report["primary_metric"] for s in studies)
    if len(metrics) > 1:
        raise UserError(
            f"these studies measure {' and '.join(metrics)}; compare those that "
            "measure the same"
        )
    primary_metric, names = next(iter(metrics)), _names(studies)
    title = "_vs_".join(s.directory.name for s in studies)[:120]
    variants = list(dict.fromkeys(v for s in studies for v in s.values))
    table = [{"variant": v, "cells": [_cell(s, v) for s in studies]} for v in variants]
    against = _against(studies, names)
    chart = figures.finals_of(
        {
            f"{variant}  [{name}]": list(study.values[variant].values())
            for variant in variants
            for name, study in zip(names, studies, strict=True)
            if variant in study.values
        },
        primary_metric,
        test_train_ratio=max(s.spec.test_train_ratio for s in studies),
    )
    context = {
        "names": names,
        "primary_metric": primary_metric,
        "reports": [s.report | {"sentence": sentence(s.report)} for s in studies],
        "settings": _settings(studies),
        "table": table,
        "against": against,
        "image": data_uri(figures.save(chart, folder / "figures", title)),
    }
    path = folder / f"{title}.html"
    write_text(path, environment().get_template("comparison.html").render(context))
    return path, _text(names, primary_metric, table, against)


def _names(studies: Sequence[Study]) -> list[str]:
    names = [s.name for s in studies]
    return (
        names if len(set(names)) == len(names) else [str(s.directory) for s in studies]
    )


def _cell(study: Study, variant: str) -> dict[str, Any] | None:
    found = (r for r in study.report["variants"] if r["variant"] == variant)
    return next(found, None)


def _settings(studies: Sequence[Study]) -> list[dict[str, Any]]:
    """What the studies' declarations differ in: {"field", "values"}."""
    pages = [
        {"study": s.spec.study, "dataset": s.spec.dataset}
        | {"seeds": _range(s.spec.seeds)}
        | dict(s.spec.fixed)
        for s in studies
    ]
    fields = dict.fromkeys(k for page in pages for k in page)
    rows = [
        {"field": k, "values": [page.get(k, "–") for page in pages]} for k in fields
    ]
    return [row for row in rows if len(set(map(str, row["values"]))) > 1]


def _range(seeds: Sequence[int]) -> str:
    return f"{seeds[0]} to {seeds[-1]}"


def _against(studies: Sequence[Study], names: Sequence[str]) -> list[dict[str, Any]]:
    """Every later study's variants minus the first's, over the seeds both have."""
    first, *others = studies
    test_train_ratio = max(s.spec.test_train_ratio for s in studies)
    found = []
    for name, study in zip(names[1:], others, strict=True):
        for variant, values in study.values.items():
            before = first.values.get(variant, {})
            if both := sorted(before.keys() & values.keys()):
                steps = [values[seed] - before[seed] for seed in both]
                label = f"{variant}: {name} - {names[0]}"
                found.append(
                    statistics.compare(
                        label, "", steps, test_train_ratio=test_train_ratio
                    )
                )
    return [statistics.described(c) | {"name": c.a} for c in statistics.holm(found)]


def _text(
    names: Sequence[str],
    primary_metric: str,
    table: Sequence[Mapping[str, Any]],
    against: Sequence[Mapping[str, Any]],
) -> str:
    """The tables for a terminal."""
    width = max(len("variant"), *(len(row["variant"]) for row in table))
    columns = [max(len(name), 28) for name in names]
    heads = "  ".join(f"{n:<{w}}" for n, w in zip(names, columns, strict=True))
    lines = [f"test {primary_metric} (95 % interval)", f"{'variant':<{width}}  {heads}"]
    for row in table:
        cells = [
            f"{number(c['mean'])} ({number(c['ci_low'])} to {number(c['ci_high'])})"
            if c
            else "–"
            for c in row["cells"]
        ]
        shown = "  ".join(f"{c:<{w}}" for c, w in zip(cells, columns, strict=True))
        lines.append(f"{row['variant']:<{width}}  {shown}".rstrip())
    if against:
        lines += [
            "",
            "difference (simultaneous interval), paired by the seeds both have",
        ]
    else:
        lines += ["", "no variant has a seed in both, so there are no differences"]
    for c in against:
        low, high = c["simultaneous_low"], c["simultaneous_high"]
        span = f"{number(low, True)} to {number(high, True)}"
        noise = ", inside the noise" if c["in_noise"] else ""
        lines.append(f"{c['name']}: {number(c['difference'], True)} ({span}){noise}")
    return "\n".join(lines)
