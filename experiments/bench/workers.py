"""Worker processes that measure one variant each, a round when they are asked to."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def start(module: str, *flags: str) -> subprocess.Popen:
    """Starts `python -m module --flags` and waits until it says that it is ready."""
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


def ask(*processes: subprocess.Popen) -> list[dict[str, Any]]:
    """One round of some workers at once: what each of them measured."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = []
    for process in processes:
        assert process.stdout is not None
        answers.append(json.loads(process.stdout.readline()))
    return answers


def limit(cores: int) -> None:
    """Workers that are started from now on see so many cores, whoever they are of."""
    if hasattr(os, "sched_setaffinity"):  # Linux
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])


def interleaved(
    module: str, variants: Sequence[str], flags: Sequence[str], rounds: int
) -> dict[str, list[float]]:
    """{variant: what it measured, one number a round}: one process each, in turns."""
    started = {v: start(module, f"--worker={v}", *flags) for v in variants}
    found: dict[str, list[float]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant, process in started.items():
            found[variant] += [float(one["value"]) for one in ask(process)]
    for process in started.values():
        process.communicate()
    return found


def lines(found: dict[str, list[float]], *, faster: Callable[[Any, Any], Any]) -> str:
    """Medians with their range, and how much faster the first variant is than each."""
    told = []
    first, *_ = found.values()
    for variant, values in found.items():
        line = f"  {variant.split('/')[1]:<20} {np.median(values):7.2f}"
        line += f"  ({min(values):.2f} to {max(values):.2f})"
        if values is not first:
            rounds = faster(np.array(first), np.array(values))
            line += f"   {faster(np.median(first), np.median(values)):.2f}"
            line += f"  (by round {rounds.min():.2f} to {rounds.max():.2f})"
        told.append(line)
    return "\n".join(told)


def serve(measure: Callable[[], dict[str, Any]]) -> None:
    """The worker's side: says that it is ready, then measures once a line of input."""
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)
