"""Worker processes that measure one variant each, a round on request."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def start(module: str, *flags: str) -> subprocess.Popen:
    """Starts `python -m module --flags` and waits until the worker is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if process.stdout.readline() != "ready\n":
        sys.exit(f"{module} {' '.join(flags)}: did not start; its error is above")
    return process


def measure(*processes: subprocess.Popen) -> list[dict[str, Any]]:
    """Runs one round of these workers concurrently; returns their measurements."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    measurements = []
    for process in processes:
        assert process.stdout is not None
        measurements.append(json.loads(process.stdout.readline()))
    return measurements


def limit_cores(cores: int) -> None:
    """Restricts workers that are started from now on to this many cores."""
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def run_interleaved(
    module: str, variants: Sequence[str], flags: Sequence[str], rounds: int
) -> dict[str, list[float]]:
    """Measures one process a variant, round by round: {variant: one number a round}."""
    processes = {v: start(module, f"--worker={v}", *flags) for v in variants}
    values: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant, process in processes.items():
            values[variant] += [float(m["value"]) for m in measure(process)]
    for process in processes.values():
        process.communicate()
    return values


def format_table(
    measurements: dict[str, list[float]], *, speedup: Callable[[Any, Any], Any]
) -> str:
    """Medians and ranges, and speedup(first, other) for each but the first variant."""
    lines = []
    first, *_ = measurements.values()
    for variant, values in measurements.items():
        line = f"  {variant.split('/')[1]:<20} {np.median(values):7.2f}"
        line += f"  ({min(values):.2f} to {max(values):.2f})"
        if values is not first:
            ratios = speedup(np.array(first), np.array(values))
            line += f"   {speedup(np.median(first), np.median(values)):.2f}"
            line += f"  (by round {ratios.min():.2f} to {ratios.max():.2f})"
        lines.append(line)
    return "\n".join(lines)


def serve(measure: Callable[[], dict[str, Any]]) -> None:
    """A worker's loop: reports that it is ready, then measures once a line of input."""
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)
