"""The profiles of a recorded result: a metric over a number, a line per variant."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dljax.reporting.figure_style import (
    DPI,
    WIDTH,
    Theme,
    add_axes,
    add_text,
    draw_dots,
    style_axes,
)
from dljax.reporting.metric_axes import MetricAxis, axis_of
from dljax.studies.recorded_results import RecordedMetric, RecordedResult
from dljax.studies.study import Profile

PROFILE = 176  # the height of a line of profiles
COLUMNS = 3


def has_profile(result: RecordedResult, profile: Profile) -> bool:
    """Whether a variant has at least two points of the profile."""
    return any(
        sum(name in row.metrics for name in profile.points) > 1
        for row in result.variants
    )


def profiles_height(result: RecordedResult, profiles: Sequence[Profile]) -> int:
    """The height in pixels that the profiles need; 0 for none."""
    if not profiles:
        return 0
    legend = 16 * _legend_lines(_drawn_variants(result, profiles)) + 20
    return PROFILE * -(-len(profiles) // COLUMNS) + legend


def draw_profiles(
    figure: Figure,
    top: float,
    result: RecordedResult,
    profiles: Sequence[Profile],
    theme: Theme,
) -> None:
    """A panel for each profile, three per line, with one legend above."""
    columns = min(COLUMNS, len(profiles))
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
        axes = add_axes(figure, x, y, width, 122)
        style_axes(axes, axis, theme)
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
        if len({p.y for p in profiles}) > 1:
            axes.set_title(profile.y, fontsize=8, color=theme.ink, pad=4)
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


def _drawn_variants(result: RecordedResult, profiles: Sequence[Profile]) -> list[str]:
    """The variants that have a line in the profiles."""
    points = {name for profile in profiles for name in profile.points}
    return [v.variant for v in result.variants if len(points & v.metrics.keys()) > 1]


def _legend_lines(names: Sequence[str]) -> int:
    step = 46 + 6 * max(map(len, names), default=0)
    return -(-len(names) // ((WIDTH - 62) // step))


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
        add_text(figure, x + 26, y, name.replace("_", " "), theme.ink, fontsize=8)
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
    draw_dots(axes, xs, means, colour, alpha=1.0)
