"""The picture of README: CNN and MLP, with pixels in place and shuffled."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dljax.reporting.compact_svg import to_svg
from dljax.reporting.figure_style import (
    DEFAULTS,
    Theme,
    add_axes,
    add_text,
    draw_dots,
    new_figure,
    style_axes,
)
from dljax.reporting.metric_axes import axis_of, describe_difference
from dljax.studies.recorded_results import RecordedResult

# What the contrasts of README's picture are about.
DEMO_CONTRASTS = {
    "gap": "lead of the CNN,\npixels in place",
    "interaction": "of the lead lost when\npixels are shuffled",
    "mlp_shuffling": "cost of the shuffling\nto the MLP",
}


@matplotlib.rc_context(DEFAULTS)
def draw_demo(result: RecordedResult, *, theme: Theme) -> str:
    """The picture of README: CNN and MLP, pixels in place and shuffled.

    Args:
      result: of cnn_vs_mlp.
    """
    figure = new_figure(376, theme)
    verdict = f"{result.verdict.capitalize()}: flattening loses what a CNN keeps"
    add_text(figure, 24, 36, verdict, theme.ink, fontsize=16, fontweight="bold")
    add_text(
        figure,
        24,
        68,
        f"Test accuracy on {result.dataset} at a random position of a larger square. "
        f"Small dots: {len(result.seeds)} seeds.",
        theme.muted,
        fontsize=9.5,
    )
    axes = add_axes(figure, 72, 100, 430, 226)
    style_axes(axes, axis_of("accuracy"), theme)
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
            draw_dots(axes, list(place + spread), values, colour)
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
    return to_svg(figure, f"Accuracy of a CNN and an MLP: {result.verdict}")


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
        add_text(figure, 536, y, value, theme.ink, fontsize=15, fontweight="bold")
        add_text(figure, 536, y + 18, f"points {interval}", theme.muted, fontsize=8.5)
        add_text(
            figure, 536, y + 41, DEMO_CONTRASTS[contrast.name], theme.ink, fontsize=9
        )
