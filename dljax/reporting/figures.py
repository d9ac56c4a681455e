"""The pictures of a report: matplotlib figures, as SVG with stable ids and as PNG."""

import io
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from dljax.studies import statistics
from dljax.studies.results import Results

# Okabe and Ito's colours, which colour-blind readers can tell apart.
INK = "#1b1f24"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK)
# Where a reader's page is dark, what is drawn in ink is light.
DARK = (
    "<style>@media (prefers-color-scheme: dark) {"
    f'[style*="fill: {INK}"] {{ fill: #e6e9ed !important }} '
    f'[style*="stroke: {INK}"] {{ stroke: #e6e9ed !important }} }}</style>'
)
LINES = ("-", "--", "-.", ":")


def plt():
    """matplotlib's pyplot, in the pages' style; draws without a screen."""
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
    """Writes NAME.svg and NAME.png; returns the SVG's text."""
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    no_dates = {"Date": None, "Creator": None}
    figure.draw_without_rendering()  # lays it out, which else every file does, twice
    figure.set_layout_engine("none")
    figure.savefig(text, format="svg", metadata=no_dates, transparent=True)
    figure.savefig(folder / f"{name}.png", dpi=150, metadata={"Software": None})
    plt().close(figure)
    drawn = text.getvalue().replace("<defs>", f"{DARK}<defs>", 1)
    (folder / f"{name}.svg").write_text(drawn, encoding="utf-8")
    return drawn


def _series(rows: list[dict], split: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """(steps (t,), values (seeds, t)) over the steps that all seeds have."""
    table: dict[int, dict[int, float]] = {}
    for row in rows:
        if row["split"] == split and row.get(metric) is not None:
            table.setdefault(row["seed"], {})[row["step"]] = row[metric]
    if not table:
        return np.zeros(0), np.zeros((0, 0))
    steps = sorted(set.intersection(*(set(seed) for seed in table.values())))
    values = [[table[seed][step] for step in steps] for seed in sorted(table)]
    return np.array(steps), np.array(values)


def curves(results: Results, measure: str):
    """Validation `measure` and training loss by step: mean and 95 % band over seeds.

    Where the measure is of test data alone, what is validated instead. Variants that
    measure other things have panels of their own. None where nothing was trained.
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
        groups.setdefault(_told(rows, "valid"), []).append(variant)
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
        losses = _told([line for v in variants for line in trained[v]], "train")
        for axis, split, names in (
            (row[0], "valid", validated),
            (row[1], "train", losses),
        ):
            metric = _shown(names, measure if split == "valid" else "loss")
            series = {v: _series(trained[v], split, metric) for v in variants}
            _curve(axis, series, styles, metric, results.test_train_ratio)
            of = {"valid": "validation ", "train": "training "}[split]
            axis.set_title(of + (metric or "loss"))
    if measure == "accuracy":
        _zoom(axes[0, 0], results)
    lines = {line.get_label(): line for axis in axes[:, 1] for line in axis.lines}
    figure.legend(
        lines.values(), lines.keys(), loc="outside lower center", ncols=4, frameon=False
    )
    return figure


def _told(rows: list[dict], split: str) -> tuple[str, ...]:
    """What rows of a split measure."""
    others = ("step", "seed", "variant", "split")
    names = {name: None for row in rows if row["split"] == split for name in row}
    return tuple(name for name in names if name not in others)


def _shown(names: tuple[str, ...], measure: str) -> str:
    """The measure, or what is next to it: a loss, a bound, an error, a critic's gap."""
    for wanted in (measure, "loss", "nelbo", "mse", "gap"):
        for name in names:
            if name == wanted or (wanted == "loss" and name.endswith("loss")):
                return name
            if wanted == "nelbo" and name.startswith("nelbo"):
                return name
    return next(iter(names), "")


def _curve(axis, series, styles, metric, test_train_ratio):
    """A line of the mean over seeds for each variant, in its band."""
    # On the logarithmic axis of a loss: the mean and interval of its log.
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
                back(np.array(end, float))
                for end in zip(*(b[2:] for b in bands), strict=True)
            )
            axis.fill_between(steps, low, high, color=style["color"], alpha=0.15, lw=0)
    axis.set_xlabel("update")
    axis.set_yscale("log" if log else "linear")
    low, high = axis.get_ylim()
    if log and high < 10 * low:  # powers of ten are for more than one of them
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")


def _zoom(axis: Any, results: Results) -> None:
    """Begins the accuracy axis where the second half of training lies."""
    ends = []
    for rows in results.curves.values():
        steps, values = _series(rows, "valid", "accuracy")
        if len(steps):
            ends.append(values[:, len(steps) // 4 :].min())
    if ends:
        low = min(ends)
        axis.set_ylim(low - 0.1 * (1 - low), 1 + 0.02 * (1 - low))


def finals(results: Results, measure: str):
    """Every seed's final test value, and each variant's mean with its 95 % interval."""
    values = {v: list(results.values(v, measure).values()) for v in results.final}
    return finals_of(values, measure, test_train_ratio=results.test_train_ratio)


def finals_of(
    values: Mapping[str, list[float]], measure: str, *, test_train_ratio: float
):
    """A row of dots for each name, a dot a seed, with their mean and 95 % interval."""
    figure, axis = plt().subplots(figsize=(9, 0.6 + 0.6 * len(values)))
    for i, mine in enumerate(values.values()):
        if not mine:
            continue
        colour = COLOURS[i % len(COLOURS)]
        jitter = 0.22 * np.sin(np.arange(len(mine)) * 2.4)
        axis.plot(mine, i + jitter, "o", color=colour, alpha=0.45, ms=5, mew=0)
        n, mean, low, high = statistics.interval(
            mine, test_train_ratio=test_train_ratio
        )
        axis.plot([mean], [i], "|", color=colour, ms=18, mew=2)
        if n > 1:
            axis.plot([low, high], [i, i], "-", color=colour, lw=2)
    axis.set_yticks(range(len(values)), list(values))
    axis.set_ylim(len(values) - 0.4, -0.6)
    axis.set_xlabel(f"test {measure} (a dot a seed; mean and 95 % interval)")
    return figure


def differences(compared: Mapping[str, statistics.Comparison]):
    """Every contrast's difference per seed, its mean and its simultaneous interval."""
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


def effects(rows: list[dict[str, Any]], measure: str):
    """What each level of each factor adds to the mean over the grid."""
    factors = list(dict.fromkeys(row["factor"] for row in rows))
    figure, axes = plt().subplots(
        1, len(factors), figsize=(9, 3.2), sharey=True, squeeze=False
    )
    for axis, factor in zip(axes[0], factors, strict=True):
        mine = [row for row in rows if row["factor"] == factor]
        places, means = range(len(mine)), [row["mean"] for row in mine]
        axis.axhline(0, color=INK, lw=0.8, alpha=0.6)
        numeric = all(isinstance(row["level"], (int, float)) for row in mine)
        axis.plot(places, means, "o-" if numeric else "o", color=COLOURS[0], lw=1, ms=5)
        if mine[0]["low"] is not None:
            ends = [[row[end] for row in mine] for end in ("low", "high")]
            axis.vlines(places, *ends, color=COLOURS[0], lw=2)
        axis.set_xticks(places, [str(row["level"]) for row in mine])
        axis.set_xlim(-0.5, len(mine) - 0.5)
        axis.set_xlabel(factor)
    axes[0][0].set_ylabel(f"added to test {measure}")
    return figure
