"""What mlx holds, and what the machine has left."""

from __future__ import annotations

import ctypes
import gc
import resource
import sys

import mlx.core as mx
import psutil

from omlx_daemon.worker.engine.ports import Memory


def held(kv_bytes: int, kv_live_bytes: int) -> Memory:
    """Return mlx's own counters beside what the KV caches hold, and how much of it is in use."""
    return Memory(
        active_bytes=mx.get_active_memory(),
        cache_bytes=mx.get_cache_memory(),
        peak_bytes=mx.get_peak_memory(),
        kv_bytes=kv_bytes,
        kv_live_bytes=kv_live_bytes,
    )


def available_bytes(limit_bytes: int) -> int:
    """Return what may still be allocated: what the system can give, under the limit where one is set."""
    free = int(psutil.virtual_memory().available)
    return min(free, limit_bytes) if limit_bytes else free


def trim() -> None:
    """Return to the system what is free inside this process: mlx's pool, and glibc's where there is one."""
    gc.collect()
    mx.clear_cache()
    if sys.platform == "linux":
        _trim_heap()


def peak_resident_bytes() -> int:
    """Return the most that this process has held of the system's memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def device_cap_bytes() -> int:
    """Return what the device's arrays may take in all: Metal's working set, a GPU's memory, 0 for a CPU."""
    info = mx.device_info()
    found = info.get("max_recommended_working_set_size") or info.get("total_memory") or 0
    return int(found)


def _trim_heap() -> None:
    heap_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if heap_trim is not None:
        heap_trim(ctypes.c_size_t(0))
