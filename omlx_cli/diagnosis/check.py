"""One thing that was looked at."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """How a check ended; `warn` works, but not as well as it could."""

    OK = "ok"
    WARN = "warn"
    BROKEN = "broken"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """A check's end: what was found, and what mends it."""

    name: str
    verdict: Verdict
    found: str
    fix: str = ""


def ok(name: str, found: str) -> Check:
    """Return a check that found all well."""
    return Check(name=name, verdict=Verdict.OK, found=found)


def warn(name: str, found: str, fix: str) -> Check:
    """Return a check that found something to improve."""
    return Check(name=name, verdict=Verdict.WARN, found=found, fix=fix)


def broken(name: str, found: str, fix: str) -> Check:
    """Return a check that found something that does not work."""
    return Check(name=name, verdict=Verdict.BROKEN, found=found, fix=fix)
