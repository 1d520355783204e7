"""One follower of the events: what it has not read yet, which never grows beyond a bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import msgspec

from omlx_cli.contract.live import Change, Happening, HappeningKind, Snapshot
from omlx_daemon.live.delta import Delta, merged
from omlx_daemon.live.journal import together

MAX_LINES = 100
"""Happenings that wait for a reader; more are put together, all of a kind as one."""

_encoder = msgspec.json.Encoder()


class Line:
    """A delta that all readers are given, encoded once."""

    def __init__(self, delta: Delta) -> None:
        self.delta = delta
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        """The change as a line of JSON."""
        if self._encoded is None:
            self._encoded = encoded(self.delta.change)
        return self._encoded


class Reader:
    """Event loop only. Whoever is slow gets changes joined into one, and happenings by kind."""

    def __init__(self, interval_s: float, clock: Callable[[], float]) -> None:
        """Hand a change out no sooner than `interval_s` after the last one."""
        self._interval_s = interval_s
        self._clock = clock
        self._due_s = clock() + interval_s
        self._pending: Line | None = None
        self._happenings: list[Happening] = []
        self._closed = False
        self._wake = asyncio.Event()

    def change(self, line: Line) -> None:
        """Take a change."""
        self._pending = line if self._pending is None else Line(merged(self._pending.delta, line.delta))
        self._wake.set()

    def happening(self, happening: Happening) -> None:
        """Take a happening."""
        self._happenings.append(happening)
        if len(self._happenings) > MAX_LINES:
            self._happenings = condensed(self._happenings)
        self._wake.set()

    def close(self) -> None:
        """Have the reader end when it has read what is there."""
        self._closed = True
        self._wake.set()

    async def lines(self, snapshot: Snapshot) -> AsyncGenerator[bytes, None]:
        """Yield the snapshot, then whatever comes, one or more lines of JSON at a time, each ended."""
        yield encoded(snapshot)
        while True:
            if found := self.take():
                yield found
            elif self._closed:
                return
            else:
                await self._wait()

    def take(self) -> bytes:
        """Return the lines that are due, empty where there are none."""
        waiting, self._happenings = self._happenings, []
        lines = [encoded(happening) for happening in waiting]
        if self._pending is not None and (self._closed or self._clock() >= self._due_s):
            lines.append(self._pending.encoded)
            self._pending = None
            self._due_s = self._clock() + self._interval_s
        self._wake.clear()
        return b"".join(lines)

    async def _wait(self) -> None:
        left_s = None if self._pending is None else max(0.0, self._due_s - self._clock())
        try:
            async with asyncio.timeout(left_s):
                await self._wake.wait()
        except TimeoutError:
            return


def condensed(happenings: list[Happening]) -> list[Happening]:
    """Return one line for each kind that is among `happenings`, and one that says how many lines are gone for that."""
    kinds: dict[HappeningKind, Happening] = {}
    gone: list[Happening] = []
    for one in happenings:
        before = kinds.get(one.kind)
        if one.kind is HappeningKind.MISSED:
            gone.append(one)
        elif before is None:
            kinds[one.kind] = one
        else:
            gone.append(before)
            kinds[one.kind] = together(before, one)
    missed = sum(one.count if one.kind is HappeningKind.MISSED else 1 for one in gone)
    last = max(gone, key=lambda one: one.number)
    note = Happening(
        number=last.number, at=last.at, kind=HappeningKind.MISSED, count=missed,
        message="lines were put together by kind, since they were read too slowly",
    )  # fmt: skip
    return sorted((*kinds.values(), note), key=lambda one: one.number)


def encoded(event: Snapshot | Change | Happening) -> bytes:
    """Return an event as a line of JSON."""
    return _encoder.encode(event) + b"\n"
