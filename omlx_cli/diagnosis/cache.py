"""The KV cache on disk: its accounts, and a sample of its blocks, through the daemon or without one."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from pathlib import Path

from omlx_cli.books import Books, checking
from omlx_cli.books.place import directory
from omlx_cli.contract.cache import CacheStats, VerifyBody, VerifyReport
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.units import format_bytes
from omlx_cli.diagnosis.check import Check, broken, ok, warn
from omlx_cli.diagnosis.subject import Subject
from omlx_cli.output import Output

SAMPLE_BLOCKS = 16
LIMIT_S = 15.0
"""For each of the questions: the accounts, the models they are compared with, the sample."""
WAITS_S = 2 * LIMIT_S
_VERIFY = "omlx cache verify"


def checks(subject: Subject) -> Iterator[Check]:
    """Yield how the cache fares."""
    if not subject.settings.cache.enabled:
        yield ok("cache", "off, as cache.enabled wants it")
    elif subject.silence is not None:
        yield ok("cache", "not looked at: the daemon that holds it does not answer")
    elif (place := directory(subject.settings.cache, subject.paths)).exists() and not place.is_dir():
        fix = shlex.join(["mv", str(place), f"{place}.old"])
        yield broken("cache", f"{place} is no folder, so the cache is in memory alone", fix)
    else:
        yield from looked_at(_books(subject), place, LIMIT_S)


def looked_at(books: Books, place: Path, limit_s: float) -> Iterator[Check]:
    """Yield what the books of the directory `place` tell; they answer each question within `limit_s`, or refuse."""
    begun_s = time.monotonic()
    try:
        stats = books.stats()
    except OmlxError as error:
        late = time.monotonic() - begun_s >= limit_s
        yield _slow("cache", place, limit_s) if late else broken("cache", _sentence(error), "omlx cache stats")
        return
    yield from accounts(stats)
    if not stats.blocks:
        return
    begun_s = time.monotonic()
    try:
        yield sample(checking.follow(books.verify(VerifyBody(sample=SAMPLE_BLOCKS)), _silent()))
    except OmlxError as error:
        late = time.monotonic() - begun_s >= limit_s
        yield _slow("blocks", place, limit_s) if late else broken("blocks", _sentence(error), _VERIFY)


def accounts(stats: CacheStats) -> Iterator[Check]:
    """Yield what the accounts tell."""
    quota = f" of {format_bytes(stats.quota_bytes)}" if stats.quota_bytes else ""
    found = f"{_count(stats.blocks)}, {format_bytes(stats.used_bytes)}{quota} in {stats.path}"
    found += f"; damaged files put aside: {stats.quarantined_files}" if stats.quarantined_files else ""
    if stats.state == "degraded":
        yield broken("cache", f"nothing is written to {stats.path}: {stats.reason}", "omlx logs --level warning")
    elif stats.state == "off":
        yield ok("cache", stats.reason or "no SSD tier, as the settings want it")
    else:
        yield ok("cache", found)
    if stats.unreadable:
        fix = f"chmod -R u+rwX {shlex.quote(stats.path)}"
        yield broken("cache", f"folders in {stats.path} that cannot be read: {stats.unreadable}", fix)


def sample(report: VerifyReport) -> Check:
    """Return what to say of a sample."""
    if report.unreadable:
        bad = next((bad for bad in report.problems), None)
        why = f": {bad.filename}, {bad.reason}" if bad else ""
        return broken("blocks", f"{report.unreadable} of {_count(report.checked)} cannot be read{why}", _VERIFY)
    if report.damaged:
        text = f"{report.damaged} of {_count(report.checked)} looked at were damaged and put aside; the disk may fail"
        return warn("blocks", text, _VERIFY)
    return ok("blocks", f"{_count(report.checked)} looked at ({format_bytes(report.checked_bytes)}), all good")


def _count(blocks: int) -> str:
    return f"{blocks} block" if blocks == 1 else f"{blocks} blocks"


def _slow(name: str, place: Path, limit_s: float) -> Check:
    what = "a sample of blocks was" if name == "blocks" else "the accounts were"
    found = f"{what} not read within {limit_s:g} s: the disk of {place} is slow, or very busy"
    return warn(name, found, "omlx doctor disk")


def _books(subject: Subject) -> Books:
    if subject.health is not None:
        from omlx_cli.books.daemon import DaemonBooks

        return DaemonBooks(subject.client, LIMIT_S)
    from omlx_cli.books.child import ChildBooks
    from omlx_cli.books.place import place

    return ChildBooks(place(subject.settings.cache, subject.paths), str(subject.paths.home), LIMIT_S)


def _silent() -> Output:
    output = Output()
    output.quiet = True
    return output


def _sentence(error: OmlxError) -> str:
    return f"{error.body.message} ({error.body.hint})" if error.body.hint else error.body.message
