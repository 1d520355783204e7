"""How much memory there is, what a model would take, and whether it fits."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib import metadata, util
from typing import Protocol

import psutil

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.units import format_bytes
from omlx_daemon.core.models import ModelSpec

MARGIN_BYTES = 256 << 20
"""What a worker takes beside the weights: interpreter, libraries, a first context."""
_FLOAT32_BITS = 32
_ROOM_TO_WIDEN = 1.15
"""A worker widens its weights only where a tenth of its room stays free."""
_GROUP_BITS = 0.5
"""A group's scale and bias, per weight: two 16-bit numbers for 64 weights."""


class MemoryProbe(Protocol):
    """The system's memory, and what a model would take of it."""

    def total_bytes(self) -> int:
        """Return the installed memory."""
        ...

    def available_bytes(self) -> int:
        """Return what can be had without swapping."""
        ...

    def resident_bytes(self, pid: int) -> int:
        """Return what a process holds; 0 where it is gone."""
        ...

    def estimate(self, spec: ModelSpec) -> Estimate:
        """Return what loading `spec` would take."""
        ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes a model takes as stored, and as it runs best; the worker decides which by what it may take."""

    least_bytes: int
    best_bytes: int


@dataclass(frozen=True, slots=True)
class Room:
    """The terms of one admission."""

    limit_bytes: int
    used_bytes: int
    """What the loaded models hold, and those that load have been promised."""
    available_bytes: int
    """What the system has left beside those promises."""

    @property
    def free_bytes(self) -> int:
        """What another model may take."""
        return min(self.limit_bytes - self.used_bytes, self.available_bytes)

    def refusal(self, name: str, needed_bytes: int, held_by: list[str]) -> OmlxError:
        """Return the error that lists the terms."""
        holders = f" by {', '.join(held_by)} (busy, loading or pinned)" if held_by else ""
        held = f"{format_bytes(self.used_bytes)} are held{holders}"
        return OmlxError(
            Code.INSUFFICIENT_MEMORY,
            f"{name} needs {format_bytes(needed_bytes)}: the limit is {format_bytes(self.limit_bytes)}, {held}, "
            f"the system has {format_bytes(self.available_bytes)} left",
            "unload or unpin a model, raise memory.limit in config.toml, or use a smaller model",
            param="model",
        )


class SystemMemory:
    """`MemoryProbe` by psutil, for the backend that this platform's workers use."""

    def __init__(self, backend: str | None = None) -> None:
        self._backend = backend

    def total_bytes(self) -> int:
        """Return the installed memory."""
        return int(psutil.virtual_memory().total)

    def available_bytes(self) -> int:
        """Return what can be had without swapping."""
        return int(psutil.virtual_memory().available)

    def resident_bytes(self, pid: int) -> int:
        """Return what a process holds; 0 where it is gone."""
        try:
            return int(psutil.Process(pid).memory_info().rss)
        except psutil.Error:
            return 0

    def estimate(self, spec: ModelSpec) -> Estimate:
        """Return what loading `spec` would take: weights in float32 on the CPU, as stored elsewhere."""
        if self._backend is None:
            self._backend = default_backend()
        growth = _ROOM_TO_WIDEN * float32_growth(spec.quantization) if self._backend == "cpu" else 1.0
        return Estimate(
            least_bytes=spec.weights_bytes + MARGIN_BYTES, best_bytes=int(spec.weights_bytes * growth) + MARGIN_BYTES
        )


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


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
