"""A picture of what a recurrent net does at every step: its gates and its states."""

from collections.abc import Mapping, Sequence

import numpy as np

from dljax.reporting.figures import plt

STEPS = (  # (a step of an LSTM's workflow, the part of the trace that shows it)
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
    """A row for each part (t, neurons), time to the right, the input's labels below.

    Gates are from 0, white, to 1; states from blue, negative, to red. Neurons are in
    order of their memory at the end.
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
        limit = np.quantile(np.abs(part), 0.99) or 1.0  # a few values are far larger
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
