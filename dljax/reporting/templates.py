"""What all pages share: templates, numbers in words, pictures in the page itself."""

import base64
import pathlib
from collections.abc import Mapping
from typing import Any

import jinja2

HERE = pathlib.Path(__file__).parent / "pages"


def environment() -> jinja2.Environment:
    """The templates of `pages/`, with the filters of this file."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "cell": cell,
        "number": number,
        "p_value": p_value,
        "share": share,
        "short": short,
        "values": values,
    }
    return made


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
    of, low, high = (f"{100 * value:.0f} %" for value in solved)
    return f"{of} ({low} to {high})"


def p_value(p: float | None) -> str:
    """Three decimals or an upper bound."""
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def cell(text: str) -> str:
    """A text of any characters as what a cell of a Markdown table can hold."""
    return text.replace("|", "\\|").replace("\n", "↵")


def values(chosen: Mapping[str, Any]) -> str:
    """Fields and their values in words."""
    return ", ".join(f"{name} {value}" for name, value in chosen.items())


def sentence(summary: Mapping[str, Any]) -> str:
    """What the verdict rests on: the contrasts, or why the rule was not applied."""
    if summary["why"]:
        return f"The rule was not applied ({summary['why']})."
    shown = (
        f"{c['name'].replace('_', ' ')} {number(c['difference'], True)} "
        f"({number(c['simultaneous_low'], True)} to "
        f"{number(c['simultaneous_high'], True)})"
        for c in summary["comparisons"]
    )
    return f"By the rule, from {'; '.join(shown)}."


def method(study: Any, test_train_ratio: float) -> str:
    """How a study's comparisons were made, in words."""
    test, looks, spread = "paired sign-flip test", "", ""
    if test_train_ratio:
        test = "t test"
        spread = (
            "Seeds are folds of one data set and share examples: intervals and tests "
            "are corrected after Nadeau and Bengio "
            f"(test over training examples {test_train_ratio:.3f}). "
        )
    if study.looks:
        at = " and ".join(map(str, study.looks))
        looks = f"It may be judged at {at} seeds; each look has its share of 0.05. "
    return (
        "Paired by seed; a minus b. The simultaneous intervals hold together "
        "(Bonferroni, over this table). The rule reads a difference from 0 from the "
        "adjusted p, and margins from these intervals. "
        f"{looks}{spread}d: the difference over its standard deviation. p: {test}; "
        "adjusted: Holm, and the looks. Power: so many seeds would show a difference "
        "of this size at an unadjusted 0.05 four times of five; – where none would."
    )


def data_uri(svg: str) -> str:
    """A picture as the address that an <img> has it from."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
