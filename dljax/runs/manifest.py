"""manifest.json: everything around a trial that may matter to its numbers."""

import hashlib
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import sys
from typing import Any

import jax

from dljax.backend import cores

PACKAGES = (
    *("dljax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint"),
    *("tensorflow-datasets", "array-record", "numpy", "scipy", "scikit-learn"),
)
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


def surroundings() -> dict[str, Any]:
    """Code, versions and machine, as JSON values; None where not to be had."""
    commit = _git("rev-parse", "HEAD")
    precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return {
        "git_commit": commit.strip() if commit else None,
        "git_diff": _git("diff", "HEAD"),
        "lock_sha256": _digest(ROOT / "requirements.lock"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "backend": jax.default_backend(),
        "device_kind": jax.devices()[0].device_kind,
        "device_count": jax.device_count(),
        "process_count": jax.process_count(),
        "visible_cores": cores(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "matmul_precision": precision,
        "command": sys.argv,
    }


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
