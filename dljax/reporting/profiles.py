"""Pictures of metrics over a number: a line a variant, its mean and 95 % interval."""

import collections
import itertools
from collections.abc import Mapping
from typing import Any

from dljax.reporting.figures import COLOURS, LINES, plt
from dljax.studies import statistics
from dljax.studies.results import Results

WIDE = 8  # times the smallest number: then the axis is logarithmic
Line = list[tuple[float, list[float]]]  # (x, a value a seed)


def of_metrics(results: Results, profiles: Mapping[str, Mapping[str, float]]):
    """A panel for each of a study's `profiles`; None where it has none.

    A profile is named "what over what", which are the labels of its axes.
    """
    panels = {}
    for title, places in profiles.items():
        y, _, x = title.rpartition(" over ")
        lines = {
            variant: [
                (place, list(results.values(variant, metric).values()))
                for metric, place in places.items()
            ]
            for variant in results.final
        }
        panels[x, y] = {k: kept for k, v in lines.items() if (kept := _filled(v))}
    return _draw({k: v for k, v in panels.items() if v}, results.test_train_ratio)


def of_factor(results: Results, measure: str):
    """The measure over a factor of at least three numbers; a line for each of the
    other factors' combinations, or one where those go with it. None where there is no
    such factor.
    """
    factors = {k: v for k, v in results.spec.factors.items() if len(v) > 1}
    numeric = [
        name
        for name, levels in factors.items()
        if len(levels) > 2 and all(type(level) in (int, float) for level in levels)
    ]
    if not numeric:
        return None
    chosen = numeric[0]
    lines: dict[str, Line] = collections.defaultdict(list)
    for variant, levels in results.spec.variants.items():
        others = "/".join(str(levels[k]) for k in factors if k != chosen)
        values = list(results.values(variant, measure).values())
        lines[others or measure].append((levels[chosen], values))
    if all(len(line) == 1 for line in lines.values()):
        lines = {measure: list(itertools.chain(*lines.values()))}
    kept = {name: sorted(found) for name, v in lines.items() if (found := _filled(v))}
    if not kept:
        return None
    figure = _draw({(chosen, measure): kept}, results.test_train_ratio)
    ticks = factors[chosen]
    if min(ticks) > 0 and max(ticks) >= WIDE * min(ticks):
        figure.axes[0].set_xscale("log")
        figure.axes[0].set_xticks(ticks, labels=[str(level) for level in ticks])
        figure.axes[0].minorticks_off()
    return figure


def _filled(line: Line) -> Line:
    return [(x, values) for x, values in line if values]


def _draw(
    panels: Mapping[tuple[str, str], Mapping[str, Line]], test_train_ratio: float
):
    """A panel for each pair of labels, of its horizontal and its vertical axis."""
    if not panels:
        return None
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt().subplots(
        rows, columns, figsize=(9, 0.6 + 2.7 * rows), squeeze=False, sharey=True
    )
    names = list(dict.fromkeys(itertools.chain(*panels.values())))
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for axis, ((x, y), lines) in zip(axes.flat, panels.items(), strict=False):
        axis.set_xlabel(x)
        if axis in axes[:, 0] or y != next(iter(panels))[1]:
            axis.set_ylabel(y)
        for name, line in lines.items():
            i = names.index(name)
            _draw_line(axis, line, test_train_ratio, i, label=name)
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
    told = [
        (x, statistics.interval(values, test_train_ratio=test_train_ratio))
        for x, values in line
    ]
    colour, style = COLOURS[i % len(COLOURS)], LINES[i // len(COLOURS) % len(LINES)]
    xs = [x for x, _ in told]
    means = [t.mean for _, t in told]
    axis.plot(xs, means, style, marker="o", ms=4, color=colour, label=label)
    if all(t.low is not None for _, t in told):
        lows, highs = ([t[end] for _, t in told] for end in (2, 3))
        axis.fill_between(xs, lows, highs, color=colour, alpha=0.15, lw=0)
