"""The look of the figures of results: colours, text, axes and dots, in pixels."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from dljax.reporting.metric_axes import MetricAxis

WIDTH = 700  # pixels, as all lengths here
DPI = 96
RADIUS = 2.4  # of a dot


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


# matplotlib's own style, for `matplotlib.rc_context`: what a process has set otherwise
# does not change these figures.
DEFAULTS: Any = {k: v for k, v in matplotlib.rcParamsDefault.items() if k != "backend"}


def new_figure(height: float, theme: Theme) -> Figure:
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor=theme.page)
    FigureCanvasSVG(figure)
    return figure


def add_text(
    figure: Figure, x: float, y: float, text: str, colour: str, **style: Any
) -> None:
    """A text at (x, y) pixels from the left and the top."""
    width, height = figure.get_size_inches() * DPI
    defaults: dict[str, Any] = {"fontsize": 9, "va": "center", "parse_math": False}
    style = defaults | style
    figure.text(x / width, 1 - y / height, text, color=colour, **style)


def add_axes(
    figure: Figure, left: float, top: float, width: float, height: float
) -> Axes:
    """Axes at pixels from the left and the top."""
    w, h = figure.get_size_inches() * DPI
    return figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))


def style_axes(axes: Axes, axis: MetricAxis, theme: Theme) -> None:
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


def draw_dots(
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
