"""Pages about several studies: an index of all, and a comparison of a few.

Both read only report.json, study.json and results.csv of each study.
"""

import csv
import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dljax.errors import DAMAGED_DATA, UserError
from dljax.reporting import figures
from dljax.reporting.summary import (
    ContrastSummary,
    StudySummary,
    VariantSummary,
    from_json,
    summarise_contrast,
)
from dljax.reporting.templates import data_uri, describe_verdict, environment, number
from dljax.studies import statistics
from dljax.studies.study_spec import StudySpec, read_spec
from dljax.trials.disk import read_json, write_text


@dataclasses.dataclass(frozen=True)
class StudyReport:
    """The report of a study. values: {variant: {seed: primary metric}}."""

    directory: pathlib.Path
    summary: StudySummary
    spec: StudySpec
    values: Mapping[str, Mapping[int, float]]

    @property
    def sentence(self) -> str:
        """The sentence that explains the verdict."""
        return describe_verdict(self.summary)


class TableRow(NamedTuple):
    """A variant and its summary in each study; None if a study does not have it."""

    variant: str
    cells: list[VariantSummary | None]


class Setting(NamedTuple):
    """A field whose values differ between the studies, and its value in each."""

    field: str
    values: list[Any]


def read(directory: pathlib.Path) -> StudyReport:
    """Reads the report in a study's directory.

    Raises:
      UserError: the report is missing, damaged or written by an earlier version.
    """
    path, spec = directory / "report.json", read_spec(directory)
    if not path.is_file() or spec is None:
        raise UserError(
            "no-report",
            f"{directory}: no report in it; give the directory of a study, or write "
            f"the report with dljax report {directory}",
        )
    try:
        summary = from_json(read_json(path) or {})
        values = _read_values(directory / "results.csv", summary.primary_metric)
    except (AttributeError, OSError, KeyError, TypeError, ValueError):
        raise UserError(
            "damaged-report",
            f"{directory}: its report is damaged, or written by an earlier version; "
            f"write it again with dljax report {directory}",
            DAMAGED_DATA,
        ) from None
    return StudyReport(directory, summary, spec, values)


def _read_values(path: pathlib.Path, metric: str) -> dict[str, dict[int, float]]:
    """Reads {variant: {seed: value}} of one metric from results.csv."""
    values: dict[str, dict[int, float]] = {}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] == metric and row["value"]:
                seeds = values.setdefault(row["variant"], {})
                seeds[int(row["seed"])] = float(row["value"])
    return values


def index(root: pathlib.Path) -> pathlib.Path:
    """Writes ROOT/index.html with a card for each study below ROOT; returns its path.

    Raises:
      UserError: no study below ROOT has a report.
    """
    reports = [read(path.parent) for path in sorted(root.rglob("report.json"))]
    if not reports:
        raise UserError(
            "no-report",
            f"{root}: no study with a report below it; give a directory of studies, "
            "for example runs",
        )
    links = [
        f"{os.path.relpath(report.directory, root)}/report.html" for report in reports
    ]
    template = environment().get_template("index.html")
    path = root / "index.html"
    write_text(path, template.render(cards=list(zip(links, reports, strict=True))))
    return path


def compare(
    reports: Sequence[StudyReport], folder: pathlib.Path
) -> tuple[pathlib.Path, str]:
    """Writes FOLDER/A_vs_B.html, named after the studies.

    Each study is compared with the first, variant by variant, paired by common seeds.
    The simultaneous intervals cover all of these comparisons.

    Returns:
      the path of the page, and the same tables as text for a terminal.

    Raises:
      UserError: the studies have different primary metrics.
    """
    metrics = dict.fromkeys(report.summary.primary_metric for report in reports)
    if len(metrics) > 1:
        raise UserError(
            "metrics-differ",
            f"{' '.join(_names(reports))}: the primary metrics {', '.join(metrics)} "
            "differ; compare studies of the same primary metric",
        )
    primary_metric, names = next(iter(metrics)), _names(reports)
    title = "_vs_".join(report.directory.name for report in reports)[:120]
    variants = list(dict.fromkeys(v for report in reports for v in report.values))
    table = [TableRow(v, [_cell(report, v) for report in reports]) for v in variants]
    contrasts = _contrasts(reports, names)
    chart = figures.finals_of(
        {
            f"{variant}  [{name}]": list(report.values[variant].values())
            for variant in variants
            for name, report in zip(names, reports, strict=True)
            if variant in report.values
        },
        primary_metric,
        test_train_ratio=_test_train_ratio(reports),
    )
    page = {
        "names": names,
        "primary_metric": primary_metric,
        "reports": reports,
        "settings": _settings(reports),
        "table": table,
        "contrasts": contrasts,
        "image": data_uri(figures.save(chart, folder / "figures", title)),
    }
    path = folder / f"{title}.html"
    write_text(path, environment().get_template("comparison.html").render(page))
    return path, _text(names, primary_metric, table, contrasts)


def _names(reports: Sequence[StudyReport]) -> list[str]:
    """Returns the names of the directories, or their paths if two names are equal."""
    names = [report.directory.name for report in reports]
    if len(set(names)) == len(names):
        return names
    return [str(report.directory) for report in reports]


def _test_train_ratio(reports: Sequence[StudyReport]) -> float:
    return max(report.spec.test_train_ratio for report in reports)


def _cell(report: StudyReport, variant: str) -> VariantSummary | None:
    rows = (row for row in report.summary.variants if row.variant == variant)
    return next(rows, None)


def _settings(reports: Sequence[StudyReport]) -> list[Setting]:
    """Lists the fields in which the specs of the studies differ."""
    specs: list[dict[str, Any]] = [
        {
            "study": report.spec.study,
            "dataset": report.spec.dataset,
            "seeds": f"{report.spec.seeds[0]} to {report.spec.seeds[-1]}",
            **report.spec.fixed,
        }
        for report in reports
    ]
    fields = dict.fromkeys(field for spec in specs for field in spec)
    rows = [Setting(k, [spec.get(k, "–") for spec in specs]) for k in fields]
    return [row for row in rows if len(set(map(str, row.values))) > 1]


def _contrasts(
    reports: Sequence[StudyReport], names: Sequence[str]
) -> list[ContrastSummary]:
    """Compares the variants of each later study with the first, over common seeds."""
    first, *others = reports
    compared = []
    for name, report in zip(names[1:], others, strict=True):
        for variant, values in report.values.items():
            baseline = first.values.get(variant, {})
            if seeds := sorted(baseline.keys() & values.keys()):
                compared.append(
                    statistics.compare(
                        f"{variant}: {name} - {names[0]}",
                        "",
                        [values[seed] - baseline[seed] for seed in seeds],
                        test_train_ratio=_test_train_ratio(reports),
                    )
                )
    return [summarise_contrast(c.a, c) for c in statistics.holm(compared)]


def _text(
    names: Sequence[str],
    primary_metric: str,
    table: Sequence[TableRow],
    contrasts: Sequence[ContrastSummary],
) -> str:
    """Formats the tables for a terminal."""
    width = max(len("variant"), *(len(row.variant) for row in table))
    columns = [max(len(name), 28) for name in names]
    heads = "  ".join(f"{n:<{w}}" for n, w in zip(names, columns, strict=True))
    lines = [f"test {primary_metric} (95 % interval)", f"{'variant':<{width}}  {heads}"]
    for row in table:
        cells = [
            f"{number(c.mean)} ({number(c.ci_low)} to {number(c.ci_high)})"
            if c
            else "–"
            for c in row.cells
        ]
        line = "  ".join(f"{c:<{w}}" for c, w in zip(cells, columns, strict=True))
        lines.append(f"{row.variant:<{width}}  {line}".rstrip())
    lines.append("")
    lines.append(
        "difference (simultaneous interval), paired by common seeds"
        if contrasts
        else "no differences, because no variant has a common seed"
    )
    for c in contrasts:
        low, high = number(c.simultaneous_low, True), number(c.simultaneous_high, True)
        note = ", not significant" if c.in_noise else ""
        lines.append(f"{c.name}: {number(c.difference, True)} ({low} to {high}){note}")
    return "\n".join(lines)
