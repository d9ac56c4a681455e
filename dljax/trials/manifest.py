"""manifest.json: code, versions, machine and data: all that may change the results."""

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
    """Returns the output of a git command in the checkout of dljax, if it is one."""
    if not (ROOT / "pyproject.toml").is_file():  # installed, in whatever repository
        return None
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
    """Returns code, versions and machine as JSON values; None for unknown ones.

    Args:
      config: any config of the experiment, whose file is part of the code.
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
    """Lists the differences of two environments that may change the results.

    Args:
      old, new: as `environment` returns.

    Returns:
      one line per difference, "NAME was OLD, now NEW".
    """

    def flatten(environment):
        values = {k: environment.get(k) for k in COMPARED_KEYS if k != "packages"}
        return values | (environment.get("packages") or {})

    old_values, new_values = flatten(old), flatten(new)
    names = sorted(old_values.keys() | new_values.keys())
    return [
        "the code of dljax or of the experiment was different (commit "
        f"{(old.get('git_commit') or 'unknown')[:12]})"
        if name == "code_sha256"
        else f"{name} was {old_values.get(name) or 'none'}, "
        f"now {new_values.get(name) or 'none'}"
        for name in names
        if old_values.get(name) != new_values.get(name)
    ]


def known_flops(path: pathlib.Path, now: Mapping[str, Any]) -> float | None:
    """Reads the FLOPs per update from a manifest written in the same environment.

    Args:
      path: a manifest.json, which may not exist.
      now: as `environment` returns.

    Returns:
      None if the manifest has none, or the environment differs.
    """
    recorded = read_json(path)
    if not isinstance(recorded, dict) or differences(recorded, now):
        return None
    flops = recorded.get("flops_per_update")
    return flops if isinstance(flops, float) else None


def describe_data(source: Source) -> dict[str, Any]:
    """Returns the name, version, fingerprint and classes of a source's data set."""
    return {
        "name": source.name,
        "version": source.version,
        "fingerprint": source.fingerprint,
        "classes": list(source.classes),
    }


def starts(
    path: pathlib.Path, step: int, now: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Returns a trial's starts so far and this one: steps, differences and hashes.

    Args:
      path: the trial's manifest.json, which may not exist.
      step: the step of this start.
      now: the environment, and the hashes of the rule, the size and the task.

    Returns:
      [{"step", "differs", "rule_sha256", ...}], where "differs" lists how the
      environment differs from the previous start's.
    """
    recorded = read_json(path)
    start = {"step": step, "differs": []} | {k: now[k] for k in HASHES}
    if not isinstance(recorded, dict):  # the first start, or a damaged manifest
        return [start]
    start["differs"] = differences(recorded, now)
    return [*recorded.get("starts", []), start]


def _code(config: type) -> str:
    """Returns a hash of dljax's files and of the experiment's file.

    The other experiments are left out, which an installed dljax contains.
    """
    package = pathlib.Path(__file__).parents[1]
    paths = sorted(package.rglob("*.py"))
    files = [p for p in paths if p.relative_to(package).parts[0] != "experiments"]
    digest = hashlib.sha256()
    for path in (*files, inspect.getsourcefile(config)):
        if path is not None:
            digest.update(pathlib.Path(path).read_bytes())
    return digest.hexdigest()


def _processor() -> str:
    """Returns the name of the CPU, for whose instruction set XLA compiles."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    names = [row.split(":", 1)[1] for row in text.splitlines() if "model name" in row]
    return names[0].strip() if names else platform.processor()


def peak_memory() -> int | None:
    """Returns the peak memory in bytes of the process (CPU) or of the first device."""
    stats = jax.devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    if stats:
        return stats.get("peak_bytes_in_use")
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
