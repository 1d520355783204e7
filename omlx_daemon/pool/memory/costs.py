"""What a load takes, term by term."""

from __future__ import annotations

from dataclasses import dataclass

from omlx_cli.contract.api import MemoryTerm
from omlx_cli.contract.units import format_bytes

KV, MEASURED = "kv", "measured"
_LEAST_RATIO, _MOST_RATIO = 0.5, 3.0


@dataclass(frozen=True, slots=True)
class Cost:
    """The sum that a load is weighed with. `terms` add up to what it takes."""

    terms: tuple[MemoryTerm, ...]
    host_bytes: int
    """Its part in the system's memory."""
    device_bytes: int
    """Its part among the device's arrays, which may lie in the system's memory too."""
    kv_bytes: int = 0
    """What of it is for requests, not for the model at rest."""

    @property
    def total_bytes(self) -> int:
        """The sum of the terms."""
        return sum(term.size_bytes for term in self.terms)

    @property
    def rest_bytes(self) -> int:
        """What the model takes at rest."""
        return self.total_bytes - self.kv_bytes

    @property
    def estimated_bytes(self) -> int:
        """What the model takes at rest by the estimate alone, without what was measured."""
        return sum(term.size_bytes for term in self.terms if term.name not in (KV, MEASURED))

    def corrected(self, ratio: float) -> Cost:
        """Return the cost with what was measured: the model at rest once took `ratio` times the estimate."""
        ratio = min(max(ratio, _LEAST_RATIO), _MOST_RATIO)
        more_bytes = int(self.rest_bytes * (ratio - 1))
        if not more_bytes:
            return self
        note = f"its loads took {ratio:.2f} times the estimate"
        return Cost(
            (*self.terms, MemoryTerm(name=MEASURED, size_bytes=more_bytes, note=note)),
            max(0, self.host_bytes + (more_bytes if self.host_bytes == self.total_bytes else 0)),
            max(0, self.device_bytes + more_bytes),
            self.kv_bytes,
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a model takes as stored, and as it runs best; the worker decides which by what it may take."""

    least: Cost
    best: Cost


def sentence(terms: tuple[MemoryTerm, ...]) -> str:
    """Return a sum in a line, such as `weights 4.2 GB + process 256 MB`."""
    parts = [f"{term.name} {format_bytes(abs(term.size_bytes))}" for term in terms]
    signs = ["", *(" - " if term.size_bytes < 0 else " + " for term in terms[1:])]
    return "".join(sign + part for sign, part in zip(signs, parts, strict=True))


def listed(terms: tuple[MemoryTerm, ...]) -> str:
    """Return terms that are no sum, such as `limit 8.0 GB, used 4.2 GB`."""
    return ", ".join(f"{term.name} {format_bytes(term.size_bytes)}" for term in terms)
