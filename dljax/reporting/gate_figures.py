"""A figure of the gates and states of a recurrent network at each step."""

from collections.abc import Mapping, Sequence

import numpy as np

from dljax.reporting.figures import plt

STEPS = (  # (step of an LSTM cell, part of the trace)
    ("1  input", "input"),
    ("2  previous memory", "previous_cell"),
    ("3  gate: write", "input_gate"),
    ("3  gate: keep", "forget_gate"),
    ("3  gate: show", "output_gate"),
    ("4  candidate", "candidate"),
    ("4  updated memory", "cell"),
    ("5  output", "output"),
)
GATES = {"input_gate", "forget_gate", "output_gate", "reset_gate", "update_gate"}


def draw_trace(parts: Mapping[str, np.ndarray], labels: Sequence[str]):
    """Draws a trace: one row per part, time to the right.

    Gates are coloured from white (0) to green (1), states from blue (negative) to red
    (positive). Neurons are sorted by their last cell state.

    Args:
      parts: {name: (t, neurons)}, as `lstm_trace` records them.
      labels: one per step, for the time axis.
    """
    parts = dict(parts)
    if "cell" in parts:
        parts["previous_cell"] = np.pad(parts["cell"], ((1, 0), (0, 0)))[:-1]
    rows = [(title, name) for title, name in STEPS if name in parts]
    rows += [(name, name) for name in parts if name not in dict(rows).values()]
    last = parts.get("cell", parts["output"])[-1]
    sizes = [0.9 if name == "input" else 1.1 for _, name in rows]
    figure, axes = plt().subplots(
        len(rows),
        1,
        figsize=(9, 1.1 * len(rows) + 1),
        sharex=True,
        squeeze=False,
        height_ratios=sizes,
    )
    for axis, (title, name) in zip(axes[:, 0], rows, strict=True):
        part = parts[name].T.astype(float)
        if len(part) == len(last):
            part = part[np.argsort(last)]
        gate = name in GATES
        limit = np.quantile(np.abs(part), 0.99) or 1.0  # ignores outliers
        axis.imshow(
            part,
            cmap="Greens" if gate else "RdBu_r",
            vmin=0 if gate else -limit,
            vmax=1 if gate else limit,
            aspect="auto",
            interpolation="nearest",
        )
        axis.set_ylabel(title, rotation=0, ha="right", va="center", fontsize=8)
        axis.set_yticks([])
        axis.grid(False)
    axes[-1, 0].set_xticks(range(len(labels)), labels, fontsize=7)
    if max(map(len, labels), default=0) > 2:
        axes[-1, 0].tick_params(axis="x", rotation=60)
    return figure
