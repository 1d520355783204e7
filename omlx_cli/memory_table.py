"""Sums of memory as people read them: a term a line."""

from __future__ import annotations

from collections.abc import Iterable

from omlx_cli.contract.api import LoadEstimate, MemoryTerm
from omlx_cli.contract.units import format_bytes


def terms(found: Iterable[MemoryTerm]) -> str:
    """Return one aligned line for each term, indented: name, size, note."""
    rows = [(term.name, _signed(term.size_bytes), term.note) for term in found]
    name_width = max((len(name) for name, _, _ in rows), default=0)
    size_width = max((len(size) for _, size, _ in rows), default=0)
    lines = (f"  {name.ljust(name_width)}  {size.rjust(size_width)}  {note}".rstrip() for name, size, note in rows)
    return "\n".join(lines)


def estimate(found: LoadEstimate) -> str:
    """Return what a load takes, what there is, and the answer."""
    return "\n".join(
        (
            f"{found.model} needs {format_bytes(found.needed_bytes)}:",
            terms(found.need),
            f"{format_bytes(found.room_bytes)} may be taken:",
            terms(found.have),
            found.verdict,
        )
    )


def _signed(size_bytes: int) -> str:
    return f"-{format_bytes(-size_bytes)}" if size_bytes < 0 else format_bytes(size_bytes)
