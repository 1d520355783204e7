"""The finished table of `omlx ps`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from omlx_cli.contract.api import SlotInfo, SlotState
from omlx_cli.contract.trouble import trouble_of
from omlx_cli.contract.units import format_bytes, format_duration

HEADER = ("NAME", "SIZE", "STATE", "PINNED", "REQUESTS", "TOK/S", "UNTIL")


def render(slots: Iterable[SlotInfo], now: datetime) -> str:
    """Return a line for the header and one for each slot, then what is wrong with whom; each ended. `now` is aware."""
    slots = tuple(slots)
    troubles = [f"{slot.name}: {text}\n" for slot in slots if (text := trouble_of(slot, now))]
    rows: list[Sequence[str]] = [HEADER, *(_row(slot, now) for slot in slots)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return "".join([*(_line(row, widths) for row in rows), *(["\n", *troubles] if troubles else [])])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"


def _row(slot: SlotInfo, now: datetime) -> Sequence[str]:
    return (
        slot.name,
        format_bytes(slot.size_bytes),
        _state(slot),
        "yes" if slot.pinned else "no",
        f"{slot.running}+{slot.queued} queued" if slot.queued else str(slot.running),
        f"{slot.decode_tokens_per_s:.1f}" if slot.decode_tokens_per_s else "-",
        _until(slot, now),
    )


def _state(slot: SlotInfo) -> str:
    return f"loading {slot.loading:.0%}" if slot.state is SlotState.LOADING else slot.state.value


def _until(slot: SlotInfo, now: datetime) -> str:
    if slot.expires_at is not None:
        return format_duration(max(0.0, (datetime.fromisoformat(slot.expires_at) - now).total_seconds()))
    return "-" if slot.state is not SlotState.IDLE and slot.ttl_s is not None and not slot.pinned else "never"
