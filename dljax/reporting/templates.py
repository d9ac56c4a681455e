"""Templates of the pages, numbers in words, pictures as data URIs."""

import base64
import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2

from dljax.reporting.summary import StudySummary
from dljax.studies.study import Study

PAGES = pathlib.Path(__file__).parent / "pages"


def environment() -> jinja2.Environment:
    """The templates of `pages/`, with the filters of this file."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {
        "table_cell": table_cell,
        "number": number,
        "p_value": p_value,
        "share": share,
        "short": short,
        "values": values,
    }
    return templates


def number(value: float | None, signed: bool = False) -> str:
    """Four decimals, with a sign for differences; a dash for none."""
    if value is None:
        return "–"
    return f"{value:+.4f}" if signed else f"{value:.4f}"


def short(value: float | None) -> str:
    """Four significant digits; a dash for none."""
    return "–" if value is None else f"{value:.4g}"


def share(solved: tuple[float, float, float] | None) -> str:
    """A share of solved seeds and its interval, in percent."""
    if solved is None:
        return "–"
    percent, low, high = (f"{100 * value:.0f} %" for value in solved)
    return f"{percent} ({low} to {high})"


def p_value(p: float | None) -> str:
    """Three decimals or an upper bound."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def table_cell(text: str) -> str:
    """Escapes a text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", "↵")


def values(chosen: Mapping[str, Any]) -> str:
    """Fields and their values in words."""
    return ", ".join(f"{name} {value}" for name, value in chosen.items())


def describe_verdict(summary: StudySummary) -> str:
    """The contrasts that the verdict rests on, or why the rule was not applied."""
    if summary.why:
        return f"The rule was not applied ({summary.why})."
    contrasts = (
        f"{c.name.replace('_', ' ')} {number(c.difference, True)} "
        f"({number(c.simultaneous_low, True)} to {number(c.simultaneous_high, True)})"
        for c in summary.comparisons
    )
    return f"By the rule, from {'; '.join(contrasts)}."


def describe_method(study: Study, test_train_ratio: float) -> str:
    """How a study's comparisons were made, in words."""
    test, looks, folds = "paired sign-flip test", "", ""
    if test_train_ratio:
        test = "t test"
        folds = (
            "Seeds are folds of one data set and share examples: intervals and tests "
            "are corrected after Nadeau and Bengio "
            f"(test over training examples {test_train_ratio:.3f}). "
        )
    if study.looks:
        counts = " and ".join(map(str, study.looks))
        looks = f"It may be judged at {counts} seeds; each look has its share of 0.05. "
    return (
        "Paired by seed; a minus b. The simultaneous intervals hold together "
        "(Bonferroni, over this table). The rule reads a difference from 0 from the "
        "adjusted p, and margins from these intervals. "
        f"{looks}{folds}d: the difference over its standard deviation. p: {test}; "
        "adjusted: Holm, and the looks. Power: so many seeds would show a difference "
        "of this size at an unadjusted 0.05 four times of five; – where none would."
    )


def data_uri(svg: str) -> str:
    """An SVG as a data URI, for the src of an <img>."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
