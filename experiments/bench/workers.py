"""Worker processes that measure one variant each, a round when they are asked to."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any


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


def serve(measure: Callable[[], dict[str, Any]]) -> None:
    """The worker's side: says that it is ready, then measures once a line of input."""
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure()), flush=True)
