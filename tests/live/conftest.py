"""A real daemon with doubles for workers, and who follows its events."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from omlx_cli.contract import routes
from omlx_cli.contract.live import HappeningKind, LiveEvent, Snapshot
from omlx_cli.top.state import aged, apply
from tests.daemon.conftest import Home
from tests.daemon.conftest import home as home

EVENTS: msgspec.json.Decoder[LiveEvent] = msgspec.json.Decoder(LiveEvent)


class Follower:
    """Holds what the daemon looks like, by its events."""

    def __init__(self, connection: http.client.HTTPConnection, route: str = routes.EVENTS) -> None:
        connection.request("GET", route)
        self.response = connection.getresponse()
        assert self.response.status == 200
        first = EVENTS.decode(self.response.readline())
        assert isinstance(first, Snapshot)
        self.now = first
        self.events: list[LiveEvent] = [first]

    def step(self) -> LiveEvent | None:
        """Take the next event; None where the stream has ended."""
        line = self.response.readline()
        if not line:
            return None
        event = EVENTS.decode(line)
        self.now = apply(self.now, event)
        self.events.append(event)
        return event

    def until(self, holds: Callable[[Snapshot], object]) -> Snapshot:
        """Read until that holds, or the connection's timeout."""
        while not holds(self.now):
            assert self.step() is not None, "the stream ended"
        return self.now

    def kinds(self) -> list[HappeningKind]:
        """Return the kinds of the log's lines."""
        return [one.kind for one in self.now.happenings]


@contextmanager
def following(home: Home, route: str = routes.EVENTS) -> Iterator[Follower]:
    """Follow the daemon of a home while the context lasts."""
    connection = home.connect()
    try:
        yield Follower(connection, route)
    finally:
        connection.close()


def timeless(snapshot: Snapshot, like: Snapshot | None = None) -> Snapshot:
    """Return a snapshot without what time alone moves, but for the order of magnitude."""
    seconds = 0.0 if like is None else like.daemon.uptime_s - snapshot.daemon.uptime_s
    later = aged(snapshot, seconds)
    return msgspec.structs.replace(
        later,
        at="",
        daemon=msgspec.structs.replace(later.daemon, uptime_s=round(later.daemon.uptime_s, 1)),
        requests=tuple(msgspec.structs.replace(row, age_s=round(row.age_s)) for row in later.requests),
    )
