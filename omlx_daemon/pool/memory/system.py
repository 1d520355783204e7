"""The memory of this machine, for the backend that its workers use."""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata, util
from pathlib import Path

import psutil

from omlx_cli.contract.api import MemoryTerm
from omlx_daemon.core.adapters import Adapter
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.pool.memory import cgroup, macos
from omlx_daemon.pool.memory.costs import KV, Cost, Estimate
from omlx_daemon.pool.memory.nvml import Gpu
from omlx_daemon.pool.memory.probe import Pressure, Reading
from omlx_daemon.pool.memory.stalls import Stalls

PROCESS_BYTES = 256 << 20
"""What a worker takes beside the model: interpreter, libraries, a first context."""
CUDA_PROCESS_BYTES = 1 << 30
"""The same in the system's memory where the model lies in a GPU's."""
UNTOUCHED_BYTES = 256 << 20
"""What a process reserves and never touches: stacks, arenas. A limit of data counts it."""
KV_TOKENS = 4096
"""Of the context that a model allows and nobody limited, how much a load must have room for."""
_FLOAT32_BITS = 32
_ROOM_TO_WIDEN = 1.15
"""A worker widens its weights only where a tenth of its room stays free."""
_NO_ADAPTER = Adapter(path="")
_GROUP_BITS = 0.5
"""A group's scale and bias, per weight: two 16-bit numbers for 64 weights."""


class SystemMemory:
    """`MemoryProbe` of this machine. `limit_tokens` gives a model's configured context, 0 where there is none."""

    def __init__(
        self,
        backend: str | None = None,
        limit_tokens: Callable[[ModelSpec], int] = lambda spec: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._limit_tokens = limit_tokens
        self._groups = cgroup.groups()
        self._stalls = Stalls(_pressure_files(self._groups), clock)
        self._libc = macos.Libc() if sys.platform == "darwin" else None
        self._gpu = Gpu()

    @property
    def backend(self) -> str:
        """`metal`, `cuda` or `cpu`."""
        if self._backend is None:
            self._backend = default_backend()
        return self._backend

    @property
    def has_device_memory(self) -> bool:
        """Whether the models' arrays lie in a memory of the device's own."""
        return self.backend == "cuda"

    def total_bytes(self) -> int:
        """Return the machine's memory, or what the control group leaves of it."""
        return self.read().total_bytes

    def read(self) -> Reading:
        """Return what there is now."""
        machine, bound = psutil.virtual_memory(), cgroup.bound(self._groups)
        total_bytes, available_bytes = int(machine.total), int(machine.available)
        some, full = self._stalls.read()
        device_cap_bytes, device_free_bytes = self._device(total_bytes)
        return Reading(
            total_bytes=min(total_bytes, bound.limit_bytes) if bound else total_bytes,
            available_bytes=min(available_bytes, bound.available_bytes) if bound else available_bytes,
            bounded_by=bound.folder if bound and bound.available_bytes < available_bytes else "",
            process_cap_bytes=_process_cap(),
            pressure=macos.pressure(self._libc.sysctl) if self._libc else Pressure.NONE,
            stalled_some=some,
            stalled_full=full,
            device_cap_bytes=device_cap_bytes,
            device_free_bytes=device_free_bytes,
        )

    def resident_bytes(self, pid: int) -> int:
        """Return what a process holds of the system's memory; 0 where it is gone."""
        if self._libc is not None:
            return self._libc.footprint_bytes(pid)
        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return 0

    def estimate(self, spec: ModelSpec) -> Estimate:
        """Return what loading `spec` would take: weights in float32 on the CPU, as stored elsewhere."""
        adapter = spec.adapter if spec.adapter and not spec.adapter.replaces else _NO_ADAPTER
        least = self._cost(spec, spec.weights_bytes, "as stored", adapter.size_bytes)
        growth = _ROOM_TO_WIDEN * float32_growth(spec.quantization) if self.backend == "cpu" else 1.0
        if growth <= 1.0:
            return Estimate(least, least)
        adapter_bytes = max(adapter.size_bytes, int(_ROOM_TO_WIDEN * adapter.values * _FLOAT32_BITS / 8))
        how = "in float32, with room to convert"
        return Estimate(least, self._cost(spec, int(spec.weights_bytes * growth), how, adapter_bytes))

    def _cost(self, spec: ModelSpec, weights_bytes: int, how: str, adapter_bytes: int) -> Cost:
        process_bytes = CUDA_PROCESS_BYTES if self.has_device_memory else PROCESS_BYTES
        kv = self._kv(spec)
        terms = (
            MemoryTerm(name="weights", size_bytes=weights_bytes, note=how),
            *([MemoryTerm(name="adapter", size_bytes=adapter_bytes, note=how)] if adapter_bytes else []),
            MemoryTerm(name="process", size_bytes=process_bytes, note="interpreter, libraries, a first step"),
            *([kv] if kv.size_bytes else []),
        )
        array_bytes = weights_bytes + adapter_bytes + kv.size_bytes
        host_bytes = process_bytes + (0 if self.has_device_memory else array_bytes)
        return Cost(terms, host_bytes, array_bytes, kv.size_bytes)

    def _kv(self, spec: ModelSpec) -> MemoryTerm:
        limit_tokens = self._limit_tokens(spec) or KV_TOKENS
        tokens = min(limit_tokens, spec.context_tokens or limit_tokens)
        size_bytes = (4 if self.backend == "cpu" else 2) * (spec.kv_values_per_token * tokens + spec.kv_values_fixed)
        return MemoryTerm(name=KV, size_bytes=size_bytes, note=f"one request of {tokens} tokens")

    def _device(self, total_bytes: int) -> tuple[int, int | None]:
        """Return the cap as far as it is known without a worker, and what is free."""
        if self._libc is not None:
            return macos.working_set_bytes(self._libc.sysctl, total_bytes), None
        if not self.has_device_memory:
            return 0, None
        cap_bytes, free_bytes = self._gpu.memory()
        return cap_bytes, free_bytes if cap_bytes else None


def float32_growth(quantization: str) -> float:
    """Return how much larger weights become as float32; `quantization` as in `4-bit`, `q8_0` or `bf16`."""
    bits = re.search(r"\d+", quantization)
    if bits is None:
        return 2.0
    stored_bits = int(bits[0])
    if not 0 < stored_bits <= _FLOAT32_BITS:
        return 1.0
    return max(1.0, _FLOAT32_BITS / (stored_bits + (_GROUP_BITS if stored_bits <= 8 else 0)))


def default_backend() -> str:
    """Return `metal`, `cuda` or `cpu`: what mlx is built for here, found without importing it."""
    if sys.platform == "darwin":
        return "metal"
    names = ("mlx-cuda-12", "mlx-cuda-13")
    return "cuda" if util.find_spec("mlx") and any(_is_installed(name) for name in names) else "cpu"


def _process_cap() -> int:
    """Return what a worker may hold under the limit of data that it inherits; 0 where there is none."""
    bound, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return 0 if bound == resource.RLIM_INFINITY else max(1, bound - UNTOUCHED_BYTES)


def _pressure_files(groups: Sequence[cgroup.Group]) -> list[Path]:
    own = [group.folder / "memory.pressure" for group in groups[:1]]
    return [file for file in (Path("/proc/pressure/memory"), *own) if file.exists()]


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
