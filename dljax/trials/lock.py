"""A lock that allows one writer per directory and names its holder.

The file LOCK contains the host, pid, start time and Slurm job of the holder, which also
holds an `flock` on it. The operating system releases the `flock` when the process dies,
so a lock never outlives its holder on the same host. `flock` may not work between
hosts; there the content of LOCK decides.
"""

import contextlib
import json
import os
import pathlib
import platform
from collections.abc import Callable, Iterator
from typing import Any

import psutil

from dljax.errors import LOCKED, UserError

try:
    import fcntl
except ImportError:  # on Windows, where the content of LOCK alone decides
    fcntl = None  # type: ignore[assignment]


JOB = "SLURM_JOB_ID"  # differs between the tasks of a job array


@contextlib.contextmanager
def locked(
    directory: pathlib.Path, *, break_lock: bool, log: Callable[[str], None]
) -> Iterator[None]:
    """Holds the lock of a directory in this context.

    Args:
      break_lock: take the lock even if another process holds it.
      log: called with one line if the lock is broken, or its holder is dead.

    Raises:
      UserError: another process holds the lock, and is alive or on another host.
    """
    path = directory / "LOCK"
    if break_lock and path.exists():
        log(f"{path}: lock broken; its holder was {_name(_read(path))}")
        path.unlink()
    file = _open(path)
    try:
        holder = _read(path)
        if holder and _may_live(holder):
            raise _refusal(path, holder)
        if os.fstat(file).st_size:
            log(f"{path}: lock taken over from {_name(holder)}, which has ended")
        record = {"host": platform.node(), "pid": os.getpid(), "started": _started()}
        record["job"] = os.environ.get(JOB)
        os.truncate(file, 0)
        os.pwrite(file, json.dumps(record).encode(), 0)
        try:
            yield
        finally:
            if _is_at(file, path):  # else another process broke the lock
                path.unlink()
    finally:
        os.close(file)


def _open(path: pathlib.Path) -> int:
    """Opens the file LOCK and takes its flock; raises UserError if it is taken."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise _refusal(path, _read(path)) from None
        except OSError:
            pass  # a file system without flock
        if _is_at(file, path):
            return file
        os.close(file)  # the previous holder has just removed this file


def _is_at(file: int, path: pathlib.Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        holder = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}  # the holder has created the file and not yet written it
    return holder if isinstance(holder, dict) else {}


def _may_live(holder: dict[str, Any]) -> bool:
    """Whether the holder of a lock may still be running.

    A holder on another host may always be, unless it belonged to this Slurm job: a
    requeued job starts only after all its earlier processes have ended, on any host.
    """
    if holder.get("host") != platform.node():
        return holder.get("job") is None or holder["job"] != os.environ.get(JOB)
    try:
        started = psutil.Process(holder.get("pid")).create_time()
    except (psutil.NoSuchProcess, ValueError, TypeError):
        return False
    return holder.get("started") in (None, started)  # else the pid was reused


def _started() -> float:
    return psutil.Process().create_time()


def _name(holder: dict[str, Any]) -> str:
    return f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"


def _refusal(path: pathlib.Path, holder: dict[str, Any]) -> UserError:
    return UserError(
        "locked",
        f"{path.parent}: locked by {_name(holder)}; wait until it ends, or give "
        "--break_lock if it is no longer running",
        LOCKED,
    )
