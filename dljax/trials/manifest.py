"""manifest.json: the environment of a trial, and all else that may change numbers."""

import hashlib
import importlib.metadata
import inspect
import os
import pathlib
import platform
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import jax

from dljax.backend import cores
from dljax.trials.disk import read_json
from dljax.types import Source

PACKAGES = (
    *("dljax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint"),
    *("tensorflow-datasets", "array-record", "numpy", "scipy", "scikit-learn"),
)
COMPARED_KEYS = (
    *("code_sha256", "python", "packages", "backend", "device_kind", "device_count"),
    *("processor", "visible_cores", "xla_flags", "matmul_precision"),
)
HASHES = ("rule_sha256", "size_sha256", "task_sha256")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _digest(path: pathlib.Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def environment(config: Any) -> dict[str, Any]:
    """Code, versions and machine as JSON values; None where unknown.

    Args:
      config: of the experiment, whose file is part of the code.
    """
    commit = _git("rev-parse", "HEAD")
    precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return {
        "git_commit": commit.strip() if commit else None,
        "git_diff": _git("diff", "HEAD"),
        "code_sha256": _code(type(config)),
        "lock_sha256": _digest(ROOT / "requirements.lock"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "backend": jax.default_backend(),
        "device_kind": jax.devices()[0].device_kind,
        "device_count": jax.device_count(),
        "process_count": jax.process_count(),
        "processor": _processor(),
        "visible_cores": cores(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "matmul_precision": precision,
        "command": sys.argv,
    }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Differences of two environments that may change numbers, a line each."""

    def flatten(environment):
        values = {k: environment.get(k) for k in COMPARED_KEYS if k != "packages"}
        return values | (environment.get("packages") or {})

    old_values, new_values = flatten(old), flatten(new)
    names = sorted(old_values.keys() | new_values.keys())
    return [
        "the code of dljax or of the experiment was other (then at commit "
        f"{(old.get('git_commit') or 'unknown')[:12]})"
        if name == "code_sha256"
        else f"{name} was {old_values.get(name) or 'none'}, "
        f"now {new_values.get(name) or 'none'}"
        for name in names
        if old_values.get(name) != new_values.get(name)
    ]


def known_flops(path: pathlib.Path, now: Mapping[str, Any]) -> float | None:
    """The FLOPs of an update recorded in a trial's manifest for this environment."""
    recorded = read_json(path)
    if not isinstance(recorded, dict) or differences(recorded, now):
        return None
    flops = recorded.get("flops_per_update")
    return flops if isinstance(flops, float) else None


def describe_data(source: Source) -> dict[str, Any]:
    """The data set, its fingerprint and its classes."""
    return {
        "name": source.name,
        "version": source.version,
        "fingerprint": source.fingerprint,
        "classes": list(source.classes),
    }


def starts(
    path: pathlib.Path, step: int, now: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The steps at which a trial was started, and what was different each time.

    Args:
      path: its manifest so far, if any.
      now: the environment, and the hashes of the rule and the task.
    """
    recorded = read_json(path)
    start = {"step": step, "differs": []} | {k: now[k] for k in HASHES}
    if not isinstance(recorded, dict):  # the first start, or it was damaged
        return [start]
    start["differs"] = differences(recorded, now)
    return [*recorded.get("starts", []), start]


def _code(config: type) -> str:
    """A hash of dljax's files and of the one that defines the experiment."""
    files = sorted(pathlib.Path(__file__).parents[1].rglob("*.py"))
    digest = hashlib.sha256()
    for path in (*files, inspect.getsourcefile(config)):
        if path is not None:
            digest.update(pathlib.Path(path).read_bytes())
    return digest.hexdigest()


def _processor() -> str:
    """The CPU's name: XLA compiles for what it can do."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    names = [row.split(":", 1)[1] for row in text.splitlines() if "model name" in row]
    return names[0].strip() if names else platform.processor()


def peak_memory() -> int | None:
    """The most bytes the process (CPU) or its first device (else) has held so far."""
    stats = jax.devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    if stats:
        return stats.get("peak_bytes_in_use")
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
