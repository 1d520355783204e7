"""Memory: as the daemon judges it, or what there is before it runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import psutil

from omlx_cli import memory_table
from omlx_cli.contract.api import MemoryLevel, Status
from omlx_cli.contract.settings import MemorySettings
from omlx_cli.contract.units import format_bytes, parse_size_bytes
from omlx_cli.diagnosis.check import Check, broken, ok, warn
from omlx_cli.diagnosis.subject import Subject

_NAME = "memory"
_LITTLE_SHARE = 0.1
_BIGGEST = "ps -Ao rss,pid,comm | sort -rn | head -5"


def checks(subject: Subject) -> Iterator[Check]:
    """Yield what the settings allow, and whether there is memory for models."""
    machine = psutil.virtual_memory()
    yield from limits(subject.settings.memory, int(machine.total))
    if subject.status is None:
        yield before(int(machine.total), int(machine.available))
    else:
        yield judge(subject.status)


def limits(settings: MemorySettings, total_bytes: int) -> Iterator[Check]:
    """Yield what is wrong with the settings on a machine with so much memory."""
    limit, reserve = (
        None if text == "auto" else parse_size_bytes(text, total_bytes) for text in (settings.limit, settings.reserve)
    )
    if limit is not None and limit > total_bytes:
        found = f"memory.limit is {settings.limit}, and this machine has {format_bytes(total_bytes)}"
        yield warn("limit", found, "omlx config set memory.limit auto")
    if reserve is not None and reserve >= total_bytes:
        found = f"memory.reserve is {settings.reserve}, which is all of this machine: no model can be loaded"
        yield broken("limit", found, "omlx config set memory.reserve auto")
    elif limit == 0:
        yield broken("limit", "memory.limit is 0: no model can be loaded", "omlx config set memory.limit auto")


def judge(status: Status) -> Check:
    """Return what to say of a daemon's memory, with the terms that decide it."""
    memory = status.memory
    used = f"models take {format_bytes(status.memory_used_bytes)} of {format_bytes(status.memory_limit_bytes)}"
    found = ", ".join([used, str(memory.level), *memory.reasons])
    terms = memory_table.terms(memory.terms).splitlines()
    if memory.waiting:
        return warn(_NAME, f"{found}; {memory.waiting[0]}", _room(status), *terms)
    if memory.level is MemoryLevel.GREEN:
        return ok(_NAME, found, *terms)
    return warn(_NAME, found, _room(status), *terms)


def before(total_bytes: int, available_bytes: int) -> Check:
    """Return what to say of a machine without a daemon."""
    found = f"{format_bytes(available_bytes)} of {format_bytes(total_bytes)} available"
    if available_bytes < total_bytes * _LITTLE_SHARE:
        return warn(_NAME, f"{found}: other programs take the rest", _BIGGEST)
    return ok(_NAME, found)


def _room(status: Status) -> str:
    """Return what makes room: the largest model that nobody uses, or a look at other programs."""
    idle = [row for row in status.models if row.state == "idle" and not row.pinned]
    largest = max(idle, key=lambda row: row.size_bytes, default=None)
    return f"omlx unload {shlex.quote(largest.name)}" if largest else _BIGGEST
