"""The figure of a recorded result, drawn from its JSON file alone.

Rows of variants, with a dot per seed, the mean and its 95 % interval, above the
contrasts that the rule decides by, with their simultaneous intervals; a curve per
variant where the study declares profiles.
"""

import collections
import dataclasses
import io
import itertools
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from dljax.reporting.metric_axes import (
    MetricAxis,
    axis_of,
    describe_difference,
    describe_value,
    note_of,
)
from dljax.studies.recorded_results import (
    RecordedContrast,
    RecordedMetric,
    RecordedResult,
)
from dljax.studies.study import Contrast, Profile, Study

WIDTH = 700  # pixels, as all lengths here
LABELS, NUMBERS = 190, 165  # the columns left and right of a panel of rows
ROW, AXIS, GAP = 23, 30, 6
DPI = 96
RADIUS = 2.4
PROFILE = 176  # the height of a line of profiles
FONTS = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"


@dataclasses.dataclass(frozen=True)
class Theme:
    """Colours. series: of Okabe and Ito, which colour-blind readers can tell apart."""

    page: str
    ink: str
    muted: str
    grid: str
    series: tuple[str, ...]


LIGHT = Theme(
    page="#ffffff",
    ink="#1b1f24",
    muted="#59636e",
    grid="#e3e7eb",
    series=(
        *("#0072b2", "#d55e00", "#009e73", "#b0578d", "#b07800", "#3b9ad0"),
        "#59636e",
    ),
)
DARK = Theme(
    page="#0d1117",
    ink="#e6edf3",
    muted="#9198a1",
    grid="#2a313a",
    series=(
        *("#58a6e0", "#ff8a3d", "#2fc59a", "#e08cbf", "#e6b23c", "#8fd0f5"),
        "#9198a1",
    ),
)


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


def draw(result: RecordedResult, study: Study, *, theme: Theme = LIGHT) -> str:
    """The figure of a result as the text of an SVG file, 700 pixels wide.

    Args:
      study: the experiment's, for the claim, the profiles and the contrasts' metrics.
    """
    profiles = [p for p in study.profiles if _has_profile(result, p)]
    panels = _panels(result, study, profiles, theme)
    title = textwrap.wrap(study.claim, 78)
    head = 22 + 20 * len(title) + 26
    columns = min(3, len(profiles))
    rows = -(-len(profiles) // 3)
    legend = 16 * _legend_lines(_drawn_variants(result, profiles)) + 20
    below = PROFILE * rows + legend if profiles else 0
    height = head + below + sum(panel.height + GAP for panel in panels)
    figure = _figure(height, theme)
    _title(figure, title, _subtitle(result), theme)
    if profiles:
        _draw_profiles(figure, head, columns, result, profiles, theme)
    top: float = head + below
    for panel in panels:
        _draw_panel(figure, top, panel, theme)
        top += panel.height + GAP
    return _to_svg(figure, f"{study.claim} {result.verdict}")


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


def _has_profile(result: RecordedResult, profile: Profile) -> bool:
    """Whether a variant has at least two points of the profile."""
    return any(
        sum(name in row.metrics for name in profile.points) > 1
        for row in result.variants
    )


def _drawn_variants(result: RecordedResult, profiles: Sequence[Profile]) -> list[str]:
    """The variants that have a line in the profiles."""
    points = {name for profile in profiles for name in profile.points}
    return [v.variant for v in result.variants if len(points & v.metrics.keys()) > 1]


def _legend_lines(names: Sequence[str]) -> int:
    step = 46 + 6 * max(map(len, names), default=0)
    return -(-len(names) // ((WIDTH - 62) // step))


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


def _figure(height: float, theme: Theme) -> Figure:
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor=theme.page)
    FigureCanvasSVG(figure)
    return figure


def _text(
    figure: Figure, x: float, y: float, text: str, colour: str, **style: Any
) -> None:
    """A text at (x, y) pixels from the left and the top."""
    width, height = figure.get_size_inches() * DPI
    defaults: dict[str, Any] = {"fontsize": 9, "va": "center", "parse_math": False}
    style = defaults | style
    figure.text(x / width, 1 - y / height, text, color=colour, **style)


def _axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at pixels from the left and the top."""
    w, h = figure.get_size_inches() * DPI
    return figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))


def _title(figure: Figure, lines: Sequence[str], subtitle: str, theme: Theme) -> None:
    for i, line in enumerate(lines):
        _text(
            figure, 16, 24 + 20 * i, line, theme.ink, fontsize=11.5, fontweight="bold"
        )
    _text(figure, 16, 26 + 20 * len(lines), subtitle, theme.muted, fontsize=9)


def _draw_panel(figure: Figure, top: float, panel: Panel, theme: Theme) -> None:
    """Labels, marks and numbers of every row, on one axis below them."""
    _text(figure, 16, top + 10, panel.title, theme.ink, fontsize=9, fontweight="bold")
    height = ROW * len(panel.rows)
    axes = _axes(figure, LABELS, top + 22, WIDTH - LABELS - NUMBERS, height)
    _style(axes, panel.axis, theme)
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
        size = 8.5 if len(row.text) < 23 else 7.5 if len(row.text) < 30 else 6
        _text(figure, WIDTH - NUMBERS + 12, y, row.text, theme.ink, fontsize=size)


def _label(figure: Figure, y: float, row: Row, theme: Theme) -> None:
    """A row's label, and what it is of in small print."""
    size = 9 if len(row.label) < 26 else 7.5
    up = 5 if row.note else 0
    _text(figure, LABELS - 14, y - up, row.label, theme.ink, ha="right", fontsize=size)
    _text(figure, LABELS - 14, y + 6, row.note, theme.muted, ha="right", fontsize=6.5)


def _style(axes: Axes, axis: MetricAxis, theme: Theme) -> None:
    """Vertical grid lines, a bare axis below."""
    axes.set_facecolor("none")
    if axis.log2:
        axes.set_xscale("log")
        locator = matplotlib.ticker.LogLocator(subs=(1, 2, 5), numticks=8)
        axes.xaxis.set_major_locator(locator)
        axes.minorticks_off()
    axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(_tick))
    axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(_tick))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(theme.grid)
    axes.spines["left"].set_color(theme.grid)
    axes.tick_params(colors=theme.muted, labelsize=8, length=0, pad=5)
    axes.grid(True, axis="x", color=theme.grid, lw=0.8, clip_on=False)
    axes.set_axisbelow(True)


def _tick(value: float, position: int) -> str:
    """The text of a tick: 0.25, −3, 2,000, 1e+07."""
    del position
    kind = ",.0f" if 1000 <= abs(value) < 1e6 else ".6g"
    return f"{round(value, 12):{kind}}".replace("-", "−")


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
    _dots(axes, row.values, i + jitter, row.colour)
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


def _dots(
    axes: Axes,
    xs: Sequence[float],
    ys: Sequence[float] | np.ndarray,
    colour: str,
    *,
    alpha: float = 0.4,
) -> None:
    """A dot per point, all of them one path: short lines with round ends."""
    if not len(xs):
        return
    points = [point for x, y in zip(xs, ys, strict=True) for point in [(x, y)] * 2]
    codes = [Path.MOVETO, Path.LINETO] * len(xs)
    patch = PathPatch(
        Path(points, codes),
        edgecolor=colour,
        facecolor="none",
        linewidth=2 * RADIUS * 0.75,
        capstyle="round",
        alpha=alpha,
        clip_on=False,
    )
    axes.add_patch(patch)


def _draw_profiles(
    figure: Figure,
    top: float,
    columns: int,
    result: RecordedResult,
    profiles: Sequence[Profile],
    theme: Theme,
) -> None:
    """A panel for each profile, three per line, with one legend above."""
    names = _drawn_variants(result, profiles)
    pairs = itertools.product(("-", "--", ":"), theme.series)
    styles: dict[str, tuple[str, Any]] = {
        name: (colour, style)
        for name, (style, colour) in zip(names, pairs, strict=False)
    }
    _legend(figure, top + 8, styles, theme)
    top += 16 * _legend_lines(names)
    left, between, right = 62, 26, 16
    width = (WIDTH - left - right - between * (columns - 1)) / columns
    axis = axis_of(next(iter(profiles[0].points)))
    shared: list[Axes] = []
    for i, profile in enumerate(profiles):
        x = left + (i % columns) * (width + between)
        y = top + 20 + PROFILE * (i // columns)
        axes = _axes(figure, x, y, width, 122)
        _style(axes, axis, theme)
        axes.grid(True, axis="y", color=theme.grid, lw=0.8, clip_on=False)
        axes.grid(False, axis="x")
        for row in (v for v in result.variants if v.variant in styles):
            points = {
                place: row.metrics[name]
                for name, place in sorted(profile.points.items(), key=lambda p: p[1])
                if name in row.metrics
            }
            _draw_line(axes, points, axis, *styles[row.variant])
        axes.set_xlabel(profile.x, fontsize=8, color=theme.muted, labelpad=3)
        axes.set_xticks(_apart(sorted(profile.points.values())))
        if i % columns:
            axes.tick_params(labelleft=False)
        else:
            label = textwrap.fill(axis.label, 24)
            axes.set_ylabel(label, fontsize=8, color=theme.muted)
        shared.append(axes)
    low = min(axes.get_ylim()[0] for axes in shared)
    high = max(axes.get_ylim()[1] for axes in shared)
    for axes in shared:
        axes.set_ylim(low, high)


def _apart(places: Sequence[float]) -> list[float]:
    """The places whose ticks do not overlap."""
    ticks: list[float] = []
    for place in places:
        if not ticks or place - ticks[-1] >= 0.12 * (places[-1] - places[0]):
            ticks.append(place)
    return ticks


def _legend(
    figure: Figure, y: float, styles: Mapping[str, tuple[str, Any]], theme: Theme
) -> None:
    """The variants' names behind lines of their colours and styles."""
    x, step = 62.0, 46 + 6 * max(map(len, styles))
    width, height = figure.get_size_inches() * DPI
    for name, (colour, style) in styles.items():
        if x + step > WIDTH:
            x, y = 62.0, y + 16
        line = matplotlib.lines.Line2D(
            [x / width, (x + 20) / width],
            [1 - y / height] * 2,
            color=colour,
            linestyle=style,
            lw=2,
            transform=figure.transFigure,
        )
        figure.add_artist(line)
        _text(figure, x + 26, y, name.replace("_", " "), theme.ink, fontsize=8)
        x += step


def _draw_line(
    axes: Axes,
    points: Mapping[float, RecordedMetric],
    axis: MetricAxis,
    colour: str,
    style: Any,
) -> None:
    """The mean over x, in the band of its 95 % interval."""
    xs = list(points)
    ends = [
        (axis.shown(m.ci_low), axis.shown(m.ci_high))
        for m in points.values()
        if m.ci_low is not None and m.ci_high is not None
    ]
    if len(ends) == len(xs) > 1:
        lows, highs = zip(*ends, strict=True)
        outline = ([*xs, *reversed(xs)], [*lows, *reversed(highs)])
        axes.fill(*outline, color=colour, alpha=0.15, lw=0, clip_on=False)
    means = [axis.shown(m.mean) for m in points.values()]
    axes.plot(xs, means, style, color=colour, lw=1.6, clip_on=False)
    _dots(axes, xs, means, colour, alpha=1.0)


# What the contrasts of README's picture are about.
DEMO_CONTRASTS = {
    "gap": "lead of the CNN,\npixels in place",
    "interaction": "of the lead lost when\npixels are shuffled",
    "mlp_shuffling": "cost of the shuffling\nto the MLP",
}


def draw_demo(result: RecordedResult, *, theme: Theme) -> str:
    """The picture of README: CNN and MLP, pixels in place and shuffled.

    Args:
      result: of cnn_vs_mlp.
    """
    figure = _figure(376, theme)
    verdict = f"{result.verdict.capitalize()}: flattening loses what a CNN keeps"
    _text(figure, 24, 36, verdict, theme.ink, fontsize=16, fontweight="bold")
    _text(
        figure,
        24,
        68,
        f"Test accuracy on {result.dataset} at a random position of a larger square. "
        f"Small dots: {len(result.seeds)} seeds.",
        theme.muted,
        fontsize=9.5,
    )
    axes = _axes(figure, 72, 100, 430, 226)
    _style(axes, axis_of("accuracy"), theme)
    axes.grid(False, axis="x")
    axes.grid(True, axis="y", color=theme.grid, lw=0.8, clip_on=False)
    axes.yaxis.set_major_formatter("{x:.0f} %")
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.set_xlim(-0.35, 1.35)
    axes.set_xticks(
        [0, 1], ["pixels in place", "pixels shuffled"], color=theme.ink, fontsize=11
    )
    axes.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(5, steps=[1, 2, 5, 10]))
    means: dict[str, list[float]] = {}
    for network, colour in zip(("cnn", "mlp"), theme.series, strict=False):
        for x, pixels in enumerate(("in_place", "shuffled")):
            variant = f"{network}/{pixels}"
            values = [100 * v for v in result.values(variant, "accuracy").values()]
            metric = next(
                v.metrics["accuracy"] for v in result.variants if v.variant == variant
            )
            means.setdefault(network, []).append(100 * metric.mean)
            spread = 0.055 * np.sin(np.arange(len(values)) * 2.4)
            place = x + (0.05 if network == "mlp" else -0.05)
            _dots(axes, list(place + spread), values, colour)
        axes.plot(
            [-0.05 if network == "cnn" else 0.05, 0.95 if network == "cnn" else 1.05],
            means[network],
            "o-",
            color=colour,
            lw=2.5,
            ms=9,
            mec=theme.page,
            mew=1.5,
            clip_on=False,
        )
        _text_at(axes, 1.2, means[network][1], network.upper(), colour)
    _draw_gap(figure, result, theme)
    return _to_svg(figure, f"Accuracy of a CNN and an MLP: {result.verdict}")


def _text_at(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    axes.text(x, y, text, color=colour, fontsize=13, fontweight="bold", va="center")


def _draw_gap(figure: Figure, result: RecordedResult, theme: Theme) -> None:
    """The contrasts in words and numbers, right of the picture."""
    axis = axis_of("accuracy")
    for i, contrast in enumerate(result.contrasts):
        y = 118 + 78 * i
        low, high = contrast.simultaneous_low, contrast.simultaneous_high
        value, _, interval = describe_difference(
            axis, contrast.difference, low, high
        ).partition(" ")
        _text(figure, 536, y, value, theme.ink, fontsize=15, fontweight="bold")
        _text(figure, 536, y + 18, f"points {interval}", theme.muted, fontsize=8.5)
        _text(figure, 536, y + 41, DEMO_CONTRASTS[contrast.name], theme.ink, fontsize=9)


def _to_svg(figure: Figure, title: str) -> str:
    """The figure as a small SVG: text as text, numbers of two decimals, stable ids."""
    text = io.StringIO()
    settings: Any = {
        "svg.hashsalt": "dljax",
        "svg.fonttype": "none",
        "font.family": "DejaVu Sans",  # of matplotlib itself: alike on every machine
        "path.simplify": False,
    }
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(settings):
        figure.savefig(text, format="svg", metadata=no_metadata)
    svg = _compact(text.getvalue())
    escaped = title.replace("&", "&amp;").replace("<", "&lt;")
    return svg.replace(">", f' role="img">\n<title>{escaped}</title>', 1)


# (pattern, replacement) of what a browser does not need, in this order.
COMPACT = (
    (r"<\?xml.*?<svg", "<svg"),
    (r"<metadata>.*?</metadata>", ""),
    (r"<!--.*?-->", ""),
    (r"font-family: [^;\"]*; ", ""),
    (r"\}</style>", "} text {font-family: " + FONTS + "}</style>"),
    (r' transform="rotate\(-?0[^"]*"', ""),
    (r'<path d="[^"]*" style="fill: none"/>', ""),
    (r' id="(?!m[0-9a-f]{10}")[^"]*"', ""),
    (r"\s*\n\s*", " "),
    (r"<g/>|</?g>", ""),
    (r"<defs> *</defs>", ""),
    (r"> +<", ">\n<"),
)


def _compact(svg: str) -> str:
    """An SVG of matplotlib without metadata, with short numbers and styles."""
    for pattern, replacement in COMPACT:
        svg = re.sub(pattern, replacement, svg, flags=re.S)
    tags = re.split(r"(<[^>]*>)", svg)  # text between tags stays as it is
    tags[1::2] = [_compact_tag(tag) for tag in tags[1::2]]
    return _share_styles("".join(tags)) + "\n"


def _share_styles(svg: str) -> str:
    """An SVG whose repeated styles are classes."""
    counts = collections.Counter(re.findall(r'style="([^"]*)"', svg))
    repeated = [style for style, count in counts.items() if count > 2]
    rules = ""
    for i, style in enumerate(repeated):
        svg = svg.replace(f'style="{style}"', f'class="s{i}"')
        rules += f" .s{i} {{{style}}}"
    return svg.replace("</style>", f"{rules}</style>", 1)


def _compact_tag(tag: str) -> str:
    """A tag with places to a tenth of a point, and a short style."""
    places = re.compile(r'( (?:d|x|y)=")([^"]*)')
    tag = places.sub(
        lambda m: m[1] + re.sub(r"\.0\b|(\.\d)\d+", r"\1", m[2]).strip(), tag
    )
    tag = re.sub(r"M ([\d.]+ [\d.]+) L \1(?=[ \"])", r"M\1h0", tag)
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", tag)
    tag = tag.replace("; stroke-linecap: square", "")
    return tag.replace(": ", ":").replace("; ", ";")
