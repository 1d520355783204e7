"""The daemon: whether it runs and answers, and which of its models are not well."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

from omlx_cli import locks
from omlx_cli.contract.api import DaemonState, Health, SlotInfo, SlotState, Status
from omlx_cli.contract.trouble import trouble_of
from omlx_cli.contract.units import format_duration
from omlx_cli.diagnosis.check import Check, broken, ok, warn
from omlx_cli.diagnosis.subject import Subject

_FORCE = "omlx stop --force"


def checks(subject: Subject) -> Iterator[Check]:
    """Yield whether it answers, and each model that is not well."""
    if subject.silence is not None:
        yield broken("daemon", subject.silence.body.message, _FORCE)
    elif subject.health is None:
        yield _absent(subject)
    else:
        yield state(subject.health, subject.status)
        for row in subject.status.models if subject.status else ():
            yield from model(row, datetime.now(UTC))


def state(health: Health, status: Status | None) -> Check:
    """Return what to say of a daemon that answers."""
    up = f", up for {format_duration(status.daemon.uptime_s)}" if status else ""
    found = f"{health.state}, process {health.pid}{up}"
    if health.state is DaemonState.STUCK:
        return warn("daemon", f"{found}: {_stuck(health)}", "omlx logs --level warning")
    if health.state is DaemonState.DRAINING:
        return warn("daemon", f"{found}: it finishes its requests and takes no new ones", "omlx restart")
    return ok("daemon", found)


def model(row: SlotInfo, now: datetime) -> Iterator[Check]:
    """Yield what is wrong with a model in memory; `now` is aware."""
    trouble = trouble_of(row, now)
    if not trouble:
        return
    name = shlex.quote(row.name)
    if row.state is SlotState.CRASHED:
        yield broken("model", f"{row.name}: {trouble}", f"omlx load {name}")
    elif row.state is SlotState.STUCK:
        yield broken("model", f"{row.name}: {trouble}", f"omlx unload --force {name}")
    else:
        yield warn("model", f"{row.name}: {trouble}", "omlx ps")


def _absent(subject: Subject) -> Check:
    if locks.is_held(subject.paths.daemon_lock):
        return broken("daemon", "a daemon holds the lock and does not answer", _FORCE)
    return ok("daemon", "it does not run; the first command that needs it starts it")


def _stuck(health: Health) -> str:
    rows = [f"{row.model} made no step for {format_duration(row.stuck_s)} ({row.request})" for row in health.stuck]
    return ", ".join(rows) or "a model makes no step"
