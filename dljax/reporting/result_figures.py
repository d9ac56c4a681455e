"""The figure of a recorded result, drawn from its JSON file alone.

Rows of variants, with a dot per seed, the mean and its 95 % interval, above the
contrasts that the rule decides by, with their simultaneous intervals; a curve per
variant where the study declares profiles.
"""

import dataclasses
import re
import textwrap
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dljax.reporting.compact_svg import to_svg
from dljax.reporting.figure_style import (
    DEFAULTS,
    LIGHT,
    WIDTH,
    Theme,
    add_axes,
    add_text,
    draw_dots,
    new_figure,
    style_axes,
)
from dljax.reporting.metric_axes import (
    MetricAxis,
    axis_of,
    describe_difference,
    describe_value,
    note_of,
)
from dljax.reporting.result_profiles import (
    draw_profiles,
    has_profile,
    profiles_height,
)
from dljax.studies.recorded_results import RecordedContrast, RecordedResult
from dljax.studies.study import Contrast, Profile, Study

LABELS, NUMBERS = 190, 165  # the columns left and right of a panel of rows
ROW, AXIS, GAP = 25, 30, 6


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a panel, as shown. mean, low, high: low and high None where unknown."""

    label: str
    note: str
    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]
    text: str
    colour: str
    strong: bool = True


@dataclasses.dataclass(frozen=True)
class Panel:
    """Rows on one axis. reference: a vertical line, None for none."""

    title: str
    axis: MetricAxis
    rows: tuple[Row, ...]
    reference: float | None = None

    @property
    def height(self) -> float:
        return 22 + ROW * len(self.rows) + AXIS


@matplotlib.rc_context(DEFAULTS)
def draw(result: RecordedResult, study: Study, *, theme: Theme = LIGHT) -> str:
    """The figure of a result as the text of an SVG file, 700 pixels wide.

    Args:
      study: the experiment's, for the claim, the profiles and the contrasts' metrics.
    """
    profiles = [p for p in study.profiles if has_profile(result, p)]
    panels = _panels(result, study, profiles, theme)
    title = textwrap.wrap(study.claim, 73)
    head = 22 + 20 * len(title) + 26
    top: float = head + profiles_height(result, profiles)
    figure = new_figure(top + sum(panel.height + GAP for panel in panels), theme)
    _title(figure, title, _subtitle(result), theme)
    if profiles:
        draw_profiles(figure, head, result, profiles, theme)
    for panel in panels:
        _draw_panel(figure, top, panel, theme)
        top += panel.height + GAP
    return to_svg(figure, f"{study.claim} {result.verdict}")


def _subtitle(result: RecordedResult) -> str:
    """The verdict, the data set and the number of seeds."""
    seeds = len(result.seeds)
    count = f"{seeds} seeds" if seeds > 1 else "one seed"
    known = any(m.values for v in result.variants for m in v.metrics.values())
    dots = "dot: one seed; " if known else ""
    return (
        f"{result.verdict.capitalize()} on {result.dataset}, {count} "
        f"({dots}line: 95 % interval)"
    )


def _panels(
    result: RecordedResult,
    study: Study,
    profiles: Sequence[Profile],
    theme: Theme,
) -> list[Panel]:
    """The variants by metric, then the contrasts by unit."""
    in_profiles = {name for profile in profiles for name in profile.points}
    panels: list[Panel] = []
    for axis, entries in _metrics_by_axis(result, study).items():
        shown = [(v, m) for v, m in entries if m not in in_profiles]
        rows = [_variant_row(result, v, m, axis, theme) for v, m in shown]
        if rows:
            factors = "/".join(study.factors).replace("_", " ")
            panels.append(Panel(f"{axis.label}, by {factors}", axis, tuple(rows)))
    grouped: dict[MetricAxis, list[RecordedContrast]] = {}
    for contrast in result.contrasts:
        grouped.setdefault(contrast_axis(study, contrast.name), []).append(contrast)
    for axis, contrasts in grouped.items():
        rows = [_contrast_row(study, c, axis, theme) for c in contrasts]
        reference = 1.0 if axis.log2 else 0.0
        title = f"Contrasts, paired by seed ({axis.difference})"
        if not all(row.strong for row in rows):
            title += f"; hollow: the interval contains {reference:.0f}"
        panels.append(Panel(title, axis, tuple(rows), reference))
    return panels


def _metrics_by_axis(
    result: RecordedResult, study: Study
) -> dict[MetricAxis, list[tuple[str, str]]]:
    """{axis: [(variant, metric)]}: the primary metric, then those of contrasts."""
    recorded = {row.variant: row.metrics for row in result.variants}
    entries = [(variant, result.primary_metric) for variant in recorded]
    for contrast in study.parsed_contrasts.values():
        entries += [(t.variant, t.metric) for _, t in contrast.terms if t.metric]
    grouped: dict[MetricAxis, list[tuple[str, str]]] = {}
    for variant, metric in dict.fromkeys(entries):
        if metric in recorded.get(variant, {}):
            grouped.setdefault(axis_of(metric), []).append((variant, metric))
    return grouped


def contrast_axis(study: Study, name: str) -> MetricAxis:
    """How the difference of a contrast is shown."""
    contrast = study.parsed_contrasts.get(name)
    if isinstance(contrast, Contrast) and contrast.terms:
        return axis_of(contrast.terms[0][1].metric or study.primary_metric)
    return axis_of(study.primary_metric)


def _variant_row(
    result: RecordedResult, variant: str, metric: str, axis: MetricAxis, theme: Theme
) -> Row:
    recorded = next(v.metrics[metric] for v in result.variants if v.variant == variant)
    levels = list(dict.fromkeys(v.variant.split("/")[0] for v in result.variants))
    several = len(levels) < len(result.variants)  # colour by the first of two factors
    colour = levels.index(variant.split("/")[0]) if several else 0
    return Row(
        label=variant.replace("_", " "),
        note="" if metric == result.primary_metric else note_of(metric),
        mean=axis.shown(recorded.mean),
        low=None if recorded.ci_low is None else axis.shown(recorded.ci_low),
        high=None if recorded.ci_high is None else axis.shown(recorded.ci_high),
        values=tuple(axis.shown(v) for v in recorded.values or () if v is not None),
        text=describe_value(axis, recorded.mean, recorded.ci_low, recorded.ci_high),
        colour=theme.series[colour % len(theme.series)],
    )


def _contrast_row(
    study: Study, contrast: RecordedContrast, axis: MetricAxis, theme: Theme
) -> Row:
    low, high = contrast.simultaneous_low, contrast.simultaneous_high
    known = low is not None and high is not None
    note = _expression(study.parsed_contrasts.get(contrast.name), axis)
    return Row(
        label=contrast.name.replace("_", " "),
        note=note if len(note) <= 34 else "",
        mean=axis.shown(contrast.difference),
        low=None if low is None else axis.shown(low),
        high=None if high is None else axis.shown(high),
        values=(),
        text=describe_difference(axis, contrast.difference, low, high),
        colour=theme.ink if known else theme.muted,
        strong=low is None or high is None or not low <= 0 <= high,
    )


def _expression(contrast: Contrast | None, axis: MetricAxis) -> str:
    """A minus b in small print: "cnn/in_place − mlp/in_place"; "" for a constant 0."""
    if contrast is None or contrast.b == 0:
        return ""
    parts = []
    for side in (contrast.a, contrast.b):
        if isinstance(side, float | int):
            value = f"{axis.scale * side:.4g}".replace("-", "−")
            text = f"{value} %" if axis.scale == 100 else value
        else:
            text = str(side).replace(" - ", " − ")
            for metric in re.findall(r"@(\w+)", text):
                text = text.replace(f"@{metric}", f": {note_of(metric)}")
            text = text.replace("_", " ")
        parts.append(f"({text})" if " − " in text else text)
    return " − ".join(parts)


def _title(figure: Figure, lines: Sequence[str], subtitle: str, theme: Theme) -> None:
    for i, line in enumerate(lines):
        add_text(
            figure, 16, 24 + 20 * i, line, theme.ink, fontsize=11.5, fontweight="bold"
        )
    add_text(figure, 16, 26 + 20 * len(lines), subtitle, theme.muted, fontsize=9)


def _draw_panel(figure: Figure, top: float, panel: Panel, theme: Theme) -> None:
    """Labels, marks and numbers of every row, on one axis below them."""
    add_text(
        figure, 16, top + 10, panel.title, theme.ink, fontsize=9, fontweight="bold"
    )
    height = ROW * len(panel.rows)
    axes = add_axes(figure, LABELS, top + 22, WIDTH - LABELS - NUMBERS, height)
    style_axes(axes, panel.axis, theme)
    axes.set_ylim(len(panel.rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _limit(axes, panel)
    if panel.reference is not None:
        axes.axvline(panel.reference, color=theme.muted, lw=1, clip_on=False)
    for i, row in enumerate(panel.rows):
        y = top + 22 + ROW * (i + 0.5)
        _label(figure, y, row, theme)
        _draw_row(axes, i, row, theme)
        length = len(row.text)
        size = 8.5 if length < 23 else 7.5 if length < 27 else 6.5
        add_text(figure, WIDTH - NUMBERS + 12, y, row.text, theme.ink, fontsize=size)


def _label(figure: Figure, y: float, row: Row, theme: Theme) -> None:
    """A row's label, and what it is of in small print."""
    size = 9 if len(row.label) < 26 else 7.5
    up = 5 if row.note else 0
    add_text(
        figure, LABELS - 14, y - up, row.label, theme.ink, ha="right", fontsize=size
    )
    add_text(
        figure, LABELS - 14, y + 6, row.note, theme.muted, ha="right", fontsize=6.5
    )


def _limit(axes: Axes, panel: Panel) -> None:
    """Limits that hold every mark, with a margin."""
    marks = [
        x
        for row in panel.rows
        for x in (row.mean, row.low, row.high, *row.values)
        if x is not None
    ]
    if panel.reference is not None:
        marks.append(panel.reference)
    low, high = min(marks), max(marks)
    if panel.axis.log2:
        axes.set_xlim(low / 1.15, max(high * 1.15, low * 2))
        return
    margin = 0.04 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(6, steps=[1, 2, 5, 10]))


def _draw_row(axes: Axes, i: int, row: Row, theme: Theme) -> None:
    """Dots of the seeds, the interval as a line, the mean as a mark."""
    jitter = 0.26 * np.sin(np.arange(len(row.values)) * 2.4)
    draw_dots(axes, row.values, i + jitter, row.colour)
    if row.low is not None and row.high is not None:
        axes.plot(
            [row.low, row.high],
            [i, i],
            color=row.colour,
            lw=2,
            solid_capstyle="round",
            clip_on=False,
        )
    axes.plot(
        [row.mean],
        [i],
        "o",
        color=row.colour if row.strong else theme.page,
        mec=theme.page if row.strong else row.colour,
        mew=1.2,
        ms=7,
        clip_on=False,
    )
