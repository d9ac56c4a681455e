"""Sets up the process before JAX starts: devices, memory, determinism, logging."""

import contextlib
import ctypes
import logging
import os
import pathlib

DEVICE_COUNT_FLAG = "--xla_force_host_platform_device_count"


def cores() -> int:
    """Returns the number of CPU cores that this process may use."""
    return (
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else (os.cpu_count() or 1)
    )


def prepare() -> None:
    """Sets up the process; call it before anything uses JAX.

    CPU: every core becomes a device, unless XLA_FLAGS already forces a number, and
    freed buffers stay mapped, which avoids page faults. GPU: operations are
    deterministic. Compiled programs are cached in $JAX_COMPILATION_CACHE_DIR, by
    default ~/.cache/dljax. Libraries log only warnings and errors.
    """
    keep_buffers_mapped()
    flags = os.environ.get("XLA_FLAGS", "")
    if "--xla_gpu_deterministic_ops" not in flags:
        flags = f"{flags} --xla_gpu_deterministic_ops=true".strip()
        os.environ["XLA_FLAGS"] = flags
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    import jax

    if DEVICE_COUNT_FLAG not in flags:
        jax.config.update("jax_num_cpu_devices", cores())
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        cache = pathlib.Path("~/.cache/dljax").expanduser()
        with contextlib.suppress(OSError):  # home is not writable: slower, no cache
            cache.mkdir(parents=True, exist_ok=True)
        if os.access(cache, os.W_OK):
            jax.config.update("jax_compilation_cache_dir", str(cache))
    # Caches small programs too: a study's variants often share them.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    for name in ("absl", "jax", "orbax", "etils", "tensorflow_datasets"):
        logging.getLogger(name).setLevel(logging.WARNING)


def keep_buffers_mapped() -> None:
    """Makes glibc keep freed memory mapped, which avoids page faults on temporaries."""
    mmap_threshold, trim_threshold = -3, -1  # glibc's malloc.h
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_threshold, 1 << 30)
        libc.mallopt(trim_threshold, (1 << 31) - 1)
    except (OSError, AttributeError):
        pass  # not glibc: slower, same results
