"""One thing that was looked at."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """How a check ended; what earns a warning works, but not as well as it could."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A check's end: what was found, in one line, and the command that mends it."""

    name: str
    verdict: Verdict
    found: str
    fix: str = ""
    """A command line for a shell; empty where all is well."""
    details: tuple[str, ...] = ()
    """More lines of figures, for who wants them."""
    area: str = ""
    """Filled in by whoever runs the check."""


def ok(name: str, found: str, *details: str) -> Check:
    """Return a check that found all well."""
    return Check(name=name, verdict=Verdict.OK, found=found, details=details)


def warn(name: str, found: str, fix: str, *details: str) -> Check:
    """Return a check that found something to improve."""
    return Check(name=name, verdict=Verdict.WARNING, found=found, fix=fix, details=details)


def broken(name: str, found: str, fix: str, *details: str) -> Check:
    """Return a check that found something that does not work."""
    return Check(name=name, verdict=Verdict.BROKEN, found=found, fix=fix, details=details)
