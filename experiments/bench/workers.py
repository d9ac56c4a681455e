"""Worker processes, each of which measures one variant, one round per request."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from typing import Any

import numpy as np


def module_name(spec: ModuleSpec | None) -> str:
    """The name by which `python -m` runs a script again, from its `__spec__`."""
    assert spec is not None, "run the script with python -m"
    return spec.name


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
        sys.exit(f"{module} {' '.join(flags)}: did not start; see its error above")
    return process


def measure(*processes: subprocess.Popen) -> list[dict[str, Any]]:
    """Runs one round of these workers in parallel; returns their measurements."""
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
    """Restricts this process and workers started later to this number of cores."""
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def run_interleaved(
    module: str, variants: Sequence[str], flags: Sequence[str], rounds: int
) -> dict[str, list[float]]:
    """Measures variants in interleaved rounds.

    Args:
      module: the name of the script that each worker runs.
      variants: one worker each, by --worker.
      flags: other flags of the workers.
      rounds: measurements per variant.

    Returns:
      {variant: one number per round}.
    """
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
    """Formats medians and ranges, one line per variant.

    Args:
      measurements: {variant: one number per round}.
      speedup: (first variant's number, another's) -> the ratio in the other's line.
    """
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
    """Runs a worker: prints "ready", then a measurement per line of standard input."""
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)
