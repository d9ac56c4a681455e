"""Figures of a report's metrics with matplotlib, as SVG with stable ids and as PNG."""

import io
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dljax.studies import statistics
from dljax.studies.results import ROW_KEYS, Effect, Results

# The palette of Okabe and Ito, distinguishable by colour-blind readers.
INK = "#1b1f24"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK)
# On a dark page, INK becomes light.
DARK = (
    "<style>@media (prefers-color-scheme: dark) {"
    f'[style*="fill: {INK}"] {{ fill: #e6e9ed !important }} '
    f'[style*="stroke: {INK}"] {{ stroke: #e6e9ed !important }} }}</style>'
)
LINES = ("-", "--", "-.", ":")


def plt():
    """Returns matplotlib's pyplot with the style of the pages; needs no screen."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pyplot.rcParams.update(
        {
            "svg.hashsalt": "dljax",
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.15,
            "figure.constrained_layout.use": True,
            "axes.facecolor": "none",
            "axes.edgecolor": INK,
            "axes.labelcolor": INK,
            "grid.color": INK,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    )
    return pyplot


def save(figure: Any, folder: pathlib.Path, name: str) -> str:
    """Writes NAME.svg and NAME.png, and closes the figure; returns the SVG's text."""
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    no_dates = {"Date": None, "Creator": None}
    figure.draw_without_rendering()  # computes the layout once for both files
    figure.set_layout_engine("none")
    figure.savefig(text, format="svg", metadata=no_dates, transparent=True)
    figure.savefig(folder / f"{name}.png", dpi=150, metadata={"Software": None})
    plt().close(figure)
    svg = text.getvalue().replace("<defs>", f"{DARK}<defs>", 1)
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    return svg


def _series(rows: list[dict], split: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns (steps (t,), values (seeds, t)) over the steps that all seeds have."""
    table: dict[int, dict[int, float]] = {}
    for row in rows:
        if row["split"] == split and row.get(metric) is not None:
            table.setdefault(row["seed"], {})[row["step"]] = row[metric]
    if not table:
        return np.zeros(0), np.zeros((0, 0))
    steps = sorted(set.intersection(*(set(seed) for seed in table.values())))
    values = [[table[seed][step] for step in steps] for seed in sorted(table)]
    return np.array(steps), np.array(values)


def curves(results: Results, metric: str):
    """Draws a validation metric and the training loss by step, with 95 % bands.

    If `metric` is measured on test data only, a related validation metric is drawn.
    Variants with different metrics have separate panels.

    Returns:
      the figure; None if nothing was trained.
    """
    trained = {
        variant: rows
        for variant, rows in results.curves.items()
        if any(row["split"] == "train" for row in rows)
    }
    if not trained:
        return None
    groups: dict[tuple[str, ...], list[str]] = {}
    for variant, rows in trained.items():
        groups.setdefault(_metrics(rows, "valid"), []).append(variant)
    figure, axes = plt().subplots(
        len(groups), 2, figsize=(9, 3.6 * len(groups)), squeeze=False
    )
    styles = {
        variant: {
            "color": COLOURS[i % len(COLOURS)],
            "linestyle": LINES[i // 2 % len(LINES)],
            "label": variant,
        }
        for i, variant in enumerate(trained)
    }
    for row, (validated, variants) in zip(axes, groups.items(), strict=True):
        losses = _metrics([line for v in variants for line in trained[v]], "train")
        for axis, split, names in (
            (row[0], "valid", validated),
            (row[1], "train", losses),
        ):
            name = _closest(names, metric if split == "valid" else "loss")
            series = {v: _series(trained[v], split, name) for v in variants}
            _curve(axis, series, styles, name, results.test_train_ratio)
            title = {"valid": "validation ", "train": "training "}[split]
            axis.set_title(title + (name or "loss"))
    if metric == "accuracy":
        _zoom(axes[0, 0], results)
    lines = {line.get_label(): line for axis in axes[:, 1] for line in axis.lines}
    figure.legend(
        lines.values(), lines.keys(), loc="outside lower center", ncols=4, frameon=False
    )
    return figure


def _metrics(rows: list[dict], split: str) -> tuple[str, ...]:
    """Lists the metrics in the rows of a split."""
    names = {name: None for row in rows if row["split"] == split for name in row}
    return tuple(name for name in names if name not in ROW_KEYS)


def _closest(names: tuple[str, ...], metric: str) -> str:
    """Returns `metric` or a related name: a loss, a bound, an error, a critic's gap."""
    for wanted in (metric, "loss", "nelbo", "mse", "gap"):
        for name in names:
            if name == wanted or (wanted == "loss" and name.endswith("loss")):
                return name
            if wanted == "nelbo" and name.startswith("nelbo"):
                return name
    return next(iter(names), "")


def _curve(axis, series, styles, metric, test_train_ratio):
    """Draws the mean over seeds of each variant, with its 95 % band."""
    # On the logarithmic axis of a loss, mean and interval are those of its logarithm.
    log = metric.endswith("loss") and all((v > 0).all() for _, v in series.values())
    to, back = (np.log, np.exp) if log else (np.array, np.array)
    for variant, (steps, values) in series.items():
        if not len(steps):
            continue
        style = styles[variant]
        bands = [
            statistics.interval(to(column), test_train_ratio=test_train_ratio)
            for column in values.T
        ]
        axis.plot(steps, back([b.mean for b in bands]), **style)
        if len(values) > 1:
            low, high = (
                back(np.array(bound, float))
                for bound in zip(*(b[2:] for b in bands), strict=True)
            )
            axis.fill_between(steps, low, high, color=style["color"], alpha=0.15, lw=0)
    axis.set_xlabel("update")
    axis.set_yscale("log" if log else "linear")
    low, high = axis.get_ylim()
    if log and high < 10 * low:  # ticks at powers of ten would be too few
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")


def _zoom(axis: Any, results: Results) -> None:
    """Limits an accuracy axis to the values after the first quarter of training."""
    minima = []
    for rows in results.curves.values():
        steps, values = _series(rows, "valid", "accuracy")
        if len(steps):
            minima.append(values[:, len(steps) // 4 :].min())
    if minima:
        low = min(minima)
        axis.set_ylim(low - 0.1 * (1 - low), 1 + 0.02 * (1 - low))


def finals(results: Results, metric: str):
    """Draws the final test metric of each seed, with means and 95 % intervals."""
    values = {v: list(results.values(v, metric).values()) for v in results.final}
    return finals_of(values, metric, test_train_ratio=results.test_train_ratio)


def finals_of(
    values: Mapping[str, list[float]], metric: str, *, test_train_ratio: float
):
    """Draws a row per name: one dot per seed, their mean and its 95 % interval."""
    figure, axis = plt().subplots(figsize=(9, 0.6 + 0.6 * len(values)))
    for i, seeds in enumerate(values.values()):
        if not seeds:
            continue
        colour = COLOURS[i % len(COLOURS)]
        jitter = 0.22 * np.sin(np.arange(len(seeds)) * 2.4)
        axis.plot(seeds, i + jitter, "o", color=colour, alpha=0.45, ms=5, mew=0)
        n, mean, low, high = statistics.interval(
            seeds, test_train_ratio=test_train_ratio
        )
        axis.plot([mean], [i], "|", color=colour, ms=18, mew=2)
        if n > 1:
            axis.plot([low, high], [i, i], "-", color=colour, lw=2)
    axis.set_yticks(range(len(values)), list(values))
    axis.set_ylim(len(values) - 0.4, -0.6)
    axis.set_xlabel(f"test {metric} (one dot per seed; mean and 95 % interval)")
    return figure


def differences(compared: Mapping[str, statistics.Comparison]):
    """Draws the differences of each contrast per seed, with simultaneous intervals."""
    figure, axis = plt().subplots(figsize=(9, 0.6 + 0.6 * len(compared)))
    axis.axvline(0, color=INK, lw=0.8, alpha=0.6)
    for i, c in enumerate(compared.values()):
        axis.plot(c.differences, [i] * c.n, "o", color=COLOURS[0], alpha=0.35, mew=0)
        if c.simultaneous_ci.low is not None:
            axis.plot(
                [c.simultaneous_ci.low, c.simultaneous_ci.high],
                [i, i],
                "-",
                color=COLOURS[0],
                lw=2,
            )
        axis.plot([c.difference], [i], "|", color=COLOURS[0], ms=18, mew=2)
    axis.set_yticks(range(len(compared)), list(compared))
    axis.set_ylim(len(compared) - 0.4, -0.6)
    axis.set_xlabel("difference, paired by seed; mean and simultaneous interval")
    return figure


def effects(rows: Sequence[Effect], metric: str):
    """Draws the main effect of each level, one panel per factor; None if `rows` is
    empty.
    """
    factors = list(dict.fromkeys(row.factor for row in rows))
    if not factors:
        return None
    figure, axes = plt().subplots(
        1, len(factors), figsize=(9, 3.2), sharey=True, squeeze=False
    )
    for axis, factor in zip(axes[0], factors, strict=True):
        levels = [row for row in rows if row.factor == factor]
        xs, means = range(len(levels)), [row.mean for row in levels]
        axis.axhline(0, color=INK, lw=0.8, alpha=0.6)
        numeric = all(isinstance(row.level, (int, float)) for row in levels)
        axis.plot(xs, means, "o-" if numeric else "o", color=COLOURS[0], lw=1, ms=5)
        if levels[0].low is not None:
            lows, highs = [row.low for row in levels], [row.high for row in levels]
            axis.vlines(xs, lows, highs, color=COLOURS[0], lw=2)
        axis.set_xticks(xs, [str(row.level) for row in levels])
        axis.set_xlim(-0.5, len(levels) - 0.5)
        axis.set_xlabel(factor)
    axes[0][0].set_ylabel(f"effect on test {metric}")
    return figure
