"""What macOS says of memory: its pressure level, and what a process is charged with. Through the C library."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable

from omlx_daemon.pool.memory.probe import Pressure

_RUSAGE_INFO_V0 = 0
_RUSAGE_BYTES = 512
"""More than any version of the structure takes."""
_FOOTPRINT = struct.Struct("=16x7Q2Q")
"""`rusage_info_v0`: a UUID, seven counters, `ri_phys_footprint` and one more."""
_LEVELS = {1: Pressure.NONE, 2: Pressure.WARN, 4: Pressure.CRITICAL}
_LARGE_BYTES = 36 << 30

Sysctl = Callable[[str], bytes]
"""Returns the raw value of a name, empty where there is none."""


def pressure(sysctl: Sysctl) -> Pressure:
    """Return the level that the kernel tells every application."""
    return _LEVELS.get(_integer(sysctl("kern.memorystatus_vm_pressure_level")), Pressure.NONE)


def working_set_bytes(sysctl: Sysctl, total_bytes: int) -> int:
    """Return what the GPU may keep wired, as long as no worker has told what Metal says.

    Metal allows about three quarters of a large machine and two thirds of a small one, unless the user set a limit.
    """
    wired = _integer(sysctl("iogpu.wired_limit_mb"))
    if wired > 0:
        return wired << 20
    return total_bytes * 3 // 4 if total_bytes >= _LARGE_BYTES else total_bytes * 2 // 3


def footprint_of(raw: bytes) -> int:
    """Return `ri_phys_footprint`, the figure by which macOS kills, of a `rusage_info`; 0 for what is none."""
    if len(raw) < _FOOTPRINT.size:
        return 0
    return int(_FOOTPRINT.unpack_from(raw)[7])


class Libc:
    """The two calls, of the C library that every process has."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)

    def sysctl(self, name: str) -> bytes:
        """Return the raw value of `name`, empty where there is none."""
        value, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
        failed = self._library.sysctlbyname(name.encode(), value, ctypes.byref(size), None, ctypes.c_size_t(0))
        return b"" if failed else value.raw[: size.value]

    def footprint_bytes(self, pid: int) -> int:
        """Return what `pid` is charged with; 0 where it is gone."""
        buffer = ctypes.create_string_buffer(_RUSAGE_BYTES)
        failed = self._library.proc_pid_rusage(ctypes.c_int(pid), ctypes.c_int(_RUSAGE_INFO_V0), buffer)
        return 0 if failed else footprint_of(buffer.raw)


def _integer(raw: bytes) -> int:
    return int.from_bytes(raw, "little", signed=True) if len(raw) in (4, 8) else 0
