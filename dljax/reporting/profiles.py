"""Figures of metrics by a number: one line per variant, with 95 % intervals."""

import collections
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dljax.reporting.figures import COLOURS, LINES, plt
from dljax.studies import statistics
from dljax.studies.results import Results
from dljax.studies.study import Profile

LOG_RANGE = 8  # the x axis is logarithmic if largest / smallest number is at least this
Line = list[tuple[float, list[float]]]  # (x, one value per seed)


class Panel(NamedTuple):
    """One pair of axes. x, y: the labels of the axes. lines: {label: line}."""

    x: str
    y: str
    lines: Mapping[str, Line]


def of_metrics(results: Results, profiles: Sequence[Profile]):
    """Draws a panel for each of a study's `profiles`; None if all are empty."""
    panels = []
    for profile in profiles:
        lines = {
            variant: _nonempty(
                [
                    (x, list(results.values(variant, metric).values()))
                    for metric, x in profile.points.items()
                ]
            )
            for variant in results.final
        }
        if lines := {variant: line for variant, line in lines.items() if line}:
            panels.append(Panel(profile.x, profile.y, lines))
    return _draw(panels, results.test_train_ratio) if panels else None


def of_factor(results: Results, metric: str):
    """Draws a metric by the first factor that has at least three numeric levels.

    There is one line per combination of the other factors' levels; a single line if
    each combination has only one point.

    Returns:
      the figure; None if no factor has three numeric levels.
    """
    factors = {k: v for k, v in results.spec.factors.items() if len(v) > 1}
    numeric = [
        name
        for name, levels in factors.items()
        if len(levels) > 2 and all(type(level) in (int, float) for level in levels)
    ]
    if not numeric:
        return None
    factor = numeric[0]
    lines: dict[str, Line] = collections.defaultdict(list)
    for variant, levels in results.spec.variants.items():
        others = "/".join(str(levels[k]) for k in factors if k != factor)
        values = list(results.values(variant, metric).values())
        lines[others or metric].append((levels[factor], values))
    if all(len(line) == 1 for line in lines.values()):
        lines = {metric: list(itertools.chain(*lines.values()))}
    lines = {
        label: sorted(line) for label, v in lines.items() if (line := _nonempty(v))
    }
    if not lines:
        return None
    figure = _draw([Panel(factor, metric, lines)], results.test_train_ratio)
    ticks = factors[factor]
    if min(ticks) > 0 and max(ticks) >= LOG_RANGE * min(ticks):
        figure.axes[0].set_xscale("log")
        figure.axes[0].set_xticks(ticks, labels=[str(tick) for tick in ticks])
        figure.axes[0].minorticks_off()
    return figure


def _nonempty(line: Line) -> Line:
    return [(x, values) for x, values in line if values]


def _draw(panels: Sequence[Panel], test_train_ratio: float):
    """Draws panels, at most three per row, with one legend."""
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt().subplots(
        rows, columns, figsize=(9, 0.6 + 2.7 * rows), squeeze=False, sharey=True
    )
    labels = list(dict.fromkeys(itertools.chain(*(p.lines for p in panels))))
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, panel in zip(axes.flat, panels, strict=False):
        axis.set_xlabel(panel.x)
        if axis in axes[:, 0] or panel.y != panels[0].y:
            axis.set_ylabel(panel.y)
        for label, line in panel.lines.items():
            i = labels.index(label)
            _draw_line(axis, line, test_train_ratio, i, label=label)
    handles = {
        label: handle
        for axis in axes.flat
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    if len(handles) > 1:
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower center",
            ncols=4,
            frameon=False,
        )
    return figure


def _draw_line(
    axis: Any, line: Line, test_train_ratio: float, i: int, *, label: str
) -> None:
    """Draws the i-th line: the mean over seeds, with a band if there are several."""
    intervals = [
        statistics.interval(values, test_train_ratio=test_train_ratio)
        for _, values in line
    ]
    colour, style = COLOURS[i % len(COLOURS)], LINES[i // len(COLOURS) % len(LINES)]
    xs = [x for x, _ in line]
    means = [interval.mean for interval in intervals]
    axis.plot(xs, means, style, marker="o", ms=4, color=colour, label=label)
    if all(interval.low is not None for interval in intervals):
        lows = [interval.low for interval in intervals]
        highs = [interval.high for interval in intervals]
        axis.fill_between(xs, lows, highs, color=colour, alpha=0.15, lw=0)
