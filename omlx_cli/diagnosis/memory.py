"""Memory: as the daemon judges it, or what there is before it runs."""

from __future__ import annotations

import psutil

from omlx_cli.client import Client
from omlx_cli.contract import routes
from omlx_cli.contract.api import MemoryLevel, Status
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.units import format_bytes
from omlx_cli.diagnosis.check import Check, ok, warn

_NAME = "memory"
_LITTLE_SHARE = 0.1


def check_memory(client: Client) -> Check:
    """Check that there is memory for models."""
    try:
        return judge(client.get(routes.STATUS, Status))
    except OmlxError:
        machine = psutil.virtual_memory()
    return before(int(machine.total), int(machine.available))


def judge(status: Status) -> Check:
    """Return what to say of a daemon's memory."""
    memory = status.memory
    used = f"models take {format_bytes(status.memory_used_bytes)} of {format_bytes(status.memory_limit_bytes)}"
    found = ", ".join([used, str(memory.level), *memory.reasons])
    if memory.waiting:
        return warn(_NAME, f"{found}; {memory.waiting[0]}", "omlx ps  shows who is in memory, omlx unload makes room")
    if memory.level is MemoryLevel.GREEN:
        return ok(_NAME, found)
    return warn(_NAME, found, "omlx unload a model, end other programs, or see memory.limit and memory.reserve")


def before(total_bytes: int, available_bytes: int) -> Check:
    """Return what to say of a machine without a daemon."""
    found = f"{format_bytes(available_bytes)} of {format_bytes(total_bytes)} available"
    if available_bytes < total_bytes * _LITTLE_SHARE:
        return warn(_NAME, found, "end other programs")
    return ok(_NAME, found)
