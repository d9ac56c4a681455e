"""Templates of the pages, and formats of numbers and sentences for them."""

import base64
import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2

from dljax.reporting.summary import StudySummary
from dljax.studies.statistics import seeds_needed
from dljax.studies.study import Study

PAGES = pathlib.Path(__file__).parent / "pages"


def environment() -> jinja2.Environment:
    """Returns the Jinja environment of `pages/`, with the filters of this file."""
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
    """Formats a number with four decimals, signed for differences; None is a dash."""
    if value is None:
        return "–"
    return f"{value:+.4f}" if signed else f"{value:.4f}"


def short(value: float | None) -> str:
    """Formats a number with four significant digits; None is a dash."""
    return "–" if value is None else f"{value:.4g}"


def share(solved: tuple[float, float, float] | None) -> str:
    """Formats the share of solved seeds and its interval in percent; None is a dash."""
    if solved is None:
        return "–"
    percent, low, high = (f"{100 * value:.0f} %" for value in solved)
    return f"{percent} ({low} to {high})"


def p_value(p: float | None) -> str:
    """Formats a p value with three decimals, or as "< 0.001"; None is a dash."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def table_cell(text: str) -> str:
    """Escapes text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("\n", "↵")


def values(chosen: Mapping[str, Any]) -> str:
    """Formats {field: value} as "field value, field value"."""
    return ", ".join(f"{name} {value}" for name, value in chosen.items())


def describe_verdict(summary: StudySummary) -> str:
    """Returns the contrasts that the rule used, or why no verdict is given."""
    if summary.why:
        return f"No verdict is given ({summary.why})."
    contrasts = (
        f"{c.name.replace('_', ' ')} {number(c.difference, True)} "
        f"({number(c.simultaneous_low, True)} to {number(c.simultaneous_high, True)})"
        for c in summary.comparisons
    )
    return f"Decision rule applied to {'; '.join(contrasts)}."


def describe_method(study: Study, test_train_ratio: float) -> tuple[str, ...]:
    """Returns sentences that explain the columns of the table of contrasts."""
    test = "corrected t test" if test_train_ratio else "paired sign-flip test"
    family = "all contrasts and looks" if study.looks else "all contrasts"
    needed = seeds_needed(len(study.contrasts) * max(1, len(study.looks)))
    lines = [
        "Difference: a minus b, paired by seed; n: the number of seeds.",
        f"Simultaneous interval: holds jointly for {family}, with 95 % confidence "
        "(Bonferroni). The rule uses it for margins.",
        "d: the difference divided by its standard deviation over seeds (Cohen).",
        f"p: two-sided, {test}. Adjusted p: after Holm, over {family}. The rule uses "
        "it for a difference from 0.",
        f"Significant: an adjusted p of at most 0.05, with at least {needed} seeds.",
        "Seeds for power 0.8: the number of seeds at which a difference of this size "
        "is significant at an unadjusted 0.05 with probability 0.8; – if there is no "
        "number.",
    ]
    if study.looks:
        counts = " and ".join(map(str, study.looks))
        lines.append(
            f"Looks: a verdict may be given at {counts} seeds, as declared before the "
            "runs; each look uses an equal share of the error 0.05."
        )
    if test_train_ratio:
        lines.append(
            "Folds: seeds are folds of one data set and share examples, so intervals "
            "and tests are corrected after Nadeau and Bengio (2003) by the ratio of "
            f"test to training examples, {test_train_ratio:.3f}."
        )
    return tuple(lines)


def data_uri(svg: str) -> str:
    """Encodes an SVG as a data URI, for the src of an <img>."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
