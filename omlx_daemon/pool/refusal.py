"""Says of a weighed load whether it fits, which terms decide, and what would make it fit."""

from __future__ import annotations

from dataclasses import replace

from omlx_cli.contract.api import LoadEstimate
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.units import format_bytes, format_duration
from omlx_daemon.pool.memory.costs import listed, sentence
from omlx_daemon.pool.policy import Resident, Stays
from omlx_daemon.pool.weighing import Weighing

BUSY_RETRY_S = 5.0
"""When to try again where it depends on requests that run."""
_STEP_BYTES = 1 << 20
_SMALLER = "use a smaller model or one of fewer bits"


def error(weighing: Weighing) -> OmlxError:
    """Return the refusal: for good where it can never fit, else for now. Lists every term."""
    name, room = weighing.spec.name, weighing.room
    needed = f"{name} needs {format_bytes(weighing.cost.total_bytes)} ({sentence(weighing.cost.terms)})"
    have = f"{format_bytes(max(0, room.free_bytes))} may be taken ({listed(room.terms())})"
    held = "; ".join(_holder(one) for one in weighing.residents)
    message = f"{needed}; {have}" + (f"; in memory: {held}" if held else "")
    if not weighing.possible:
        return OmlxError(Code.INSUFFICIENT_MEMORY, message, advice(weighing), param="model")
    wait_s = min(weighing.wait_s, BUSY_RETRY_S) if _waits_for_requests(weighing) else weighing.wait_s
    retry_after_s = max(1.0, wait_s if wait_s < float("inf") else BUSY_RETRY_S)
    return OmlxError(Code.MEMORY_BUSY, message, advice(weighing), param="model", retry_after_s=retry_after_s)


def reason(weighing: Weighing) -> str:
    """Return in a few words what a load waits for."""
    if not weighing.possible:
        return f"needs {format_bytes(weighing.cost.total_bytes)} and would not fit at all"
    staying = [one for one in weighing.residents if one.stays and one.stays is not Stays.LEAVING]
    if not staying:
        return f"waits for {format_bytes(weighing.missing_bytes)} of the system's memory"
    return f"waits for {format_bytes(weighing.missing_bytes)}: " + ", ".join(_why(one) for one in staying)


def estimate(weighing: Weighing) -> LoadEstimate:
    """Return the sum and the answer, as `omlx load --estimate-only` prints them."""
    name, grant = weighing.spec.name, weighing.grant
    cost = grant.cost if grant else weighing.cost
    fits = grant is not None or weighing.reachable
    unloads = grant.victims if grant else tuple(one.name for one in weighing.residents if not one.stays) if fits else ()
    verdict = f"{name} would fit" + (f" once {', '.join(unloads)} made way" if unloads else "")
    if not fits:
        verdict = f"{name} would not fit " + ("now" if weighing.possible else "at all")
    return LoadEstimate(
        model=name,
        needed_bytes=cost.total_bytes,
        room_bytes=weighing.room.free_bytes,
        fits=fits,
        verdict=verdict,
        unloads=unloads,
        advice="" if fits else advice(weighing),
        need=cost.terms,
        have=weighing.room.terms(),
    )


def advice(weighing: Weighing) -> str:
    """Return what would make it fit, the least first."""
    new = [one for one in weighing.residents if one.stays is Stays.NEW]
    busy = [one.name for one in weighing.residents if one.stays in (Stays.BUSY, Stays.LOADING)]
    pinned = [one.name for one in weighing.residents if one.stays is Stays.PINNED]
    found = []
    if weighing.possible and new:
        first = min(new, key=lambda one: one.left_s)
        found.append(f"try again in {format_duration(first.left_s)}, or omlx unload {first.name}")
    if weighing.possible and busy:
        found.append(f"try again when {' or '.join(busy)} is idle")
    if pinned:
        found.append(f"omlx unpin {pinned[0]}")
    cap_bytes = weighing.room.reading.process_cap_bytes
    if cap_bytes and weighing.cost.host_bytes > cap_bytes:
        found.append("raise ulimit -d, then omlx restart")
    raised = _limit_that_fits(weighing)
    if raised:
        found.append(f"omlx config set memory.limit {raised}")
    return "; ".join(found) or f"end other programs, or {_SMALLER}"


def _limit_that_fits(weighing: Weighing) -> str:
    """Return the memory.limit with which it would fit now, where the limit alone is in the way."""
    room, cost = weighing.room, weighing.cost
    limit_bytes = -(-(room.used.host_bytes + room.promised.host_bytes + cost.host_bytes) // _STEP_BYTES) * _STEP_BYTES
    if limit_bytes <= room.limit_bytes or replace(room, limit_bytes=limit_bytes).missing_bytes(cost) > 0:
        return ""
    return f"{limit_bytes // _STEP_BYTES}MiB"


def _waits_for_requests(weighing: Weighing) -> bool:
    return any(one.stays in (Stays.BUSY, Stays.LOADING) for one in weighing.residents)


def _holder(one: Resident) -> str:
    return f"{one.name} {format_bytes(one.held.host_bytes)}, {one.stays or 'idle'}"


def _why(one: Resident) -> str:
    stays = f"stays {format_duration(one.left_s)} more" if one.stays is Stays.NEW else f"is {one.stays}"
    return f"{one.name} {stays}"
