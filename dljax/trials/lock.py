"""One writer a directory: a lock that says who holds it, and outlives nobody.

The file LOCK holds the host, pid, start and Slurm job of its holder. It is held by
`flock` too, which ends with the process however that dies; so on one host a lock is
never stale for long, and of another host's, where `flock` may not reach, the file's
words are believed.
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
except ImportError:  # not on Windows: there the file's words alone decide
    fcntl = None  # type: ignore[assignment]


JOB = "SLURM_JOB_ID"  # an array's tasks have one each


@contextlib.contextmanager
def locked(
    directory: pathlib.Path, *, break_lock: bool, log: Callable[[str], None]
) -> Iterator[None]:
    """Holds the directory's lock inside.

    Args:
      break_lock: take it whoever holds it.

    Raises:
      UserError: somebody else holds it. A holder that is gone from this host does not.
    """
    path = directory / "LOCK"
    if break_lock and path.exists():
        log(f"{path}: broken; it was of {_name(_read(path))}")
        path.unlink()
    file = _open(path)
    try:
        holder = _read(path)
        if holder and _may_live(holder):
            raise _refusal(path, holder)
        if os.fstat(file).st_size:
            log(f"{path}: taken over from {_name(holder)}, which is gone")
        record = {"host": platform.node(), "pid": os.getpid(), "started": _started()}
        record["job"] = os.environ.get(JOB)
        os.truncate(file, 0)
        os.pwrite(file, json.dumps(record).encode(), 0)
        try:
            yield
        finally:
            if _is_at(file, path):  # nobody broke it
                path.unlink()
    finally:
        os.close(file)


def _open(path: pathlib.Path) -> int:
    """The lock's file, held by flock; raises UserError where another process holds
    it.
    """
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
        os.close(file)  # its holder has just removed it


def _is_at(file: int, path: pathlib.Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        holder = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}  # its holder died, or is, between making it and writing it
    return holder if isinstance(holder, dict) else {}


def _may_live(holder: dict[str, Any]) -> bool:
    """Whether the holder may still be at work.

    Another host's always may, but for an earlier life of this Slurm job: a requeued job
    begins when its last process has ended, wherever that was.
    """
    if holder.get("host") != platform.node():
        return holder.get("job") is None or holder["job"] != os.environ.get(JOB)
    try:
        started = psutil.Process(holder.get("pid")).create_time()
    except (psutil.NoSuchProcess, ValueError, TypeError):
        return False
    return holder.get("started") in (None, started)  # else the pid is another's now


def _started() -> float:
    return psutil.Process().create_time()


def _name(holder: dict[str, Any]) -> str:
    return f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"


def _refusal(path: pathlib.Path, holder: dict[str, Any]) -> UserError:
    return UserError(
        "locked",
        f"{path.parent}: in use by {_name(holder)}; wait for it, or if it is not "
        "running any more give --break_lock",
        LOCKED,
    )
