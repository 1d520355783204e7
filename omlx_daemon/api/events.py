"""What the daemon looks like and what happens in it, as a stream of JSON lines."""

from __future__ import annotations

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery
from litestar.types import ASGIApp, Receive, Scope, Send

from omlx_cli.contract import routes
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.live import Snapshot
from omlx_cli.contract.units import parse_duration_s
from omlx_daemon.api.errors import CONTROL_ERRORS
from omlx_daemon.api.feed import ClientGone, Feed
from omlx_daemon.api.guard import owner_only
from omlx_daemon.api.streaming import ResponseWriter
from omlx_daemon.core.ports import Watching

MAX_INTERVAL_S = 3600.0

_LINES = {
    200: ResponseSpec(
        Snapshot,
        generate_examples=False,
        description="JSON lines: a snapshot, then changes and happenings",
        media_type=routes.STREAM_TYPE,
    ),
    **CONTROL_ERRORS,
}


@get(routes.EVENTS, responses=_LINES, guards=[owner_only])
async def events(watching: NamedDependency[Watching], interval: FromQuery[str] = "") -> ASGIApp:
    """Follow the daemon: a snapshot, then what changes, up to four times a second, and what happens, at once.

    `interval`, such as `1s`, is the least time between two changes.
    """
    return LineStream(watching, _interval_s(interval))


class LineStream:
    """An ASGI app that passes the lines on; a client that reads slowly holds up nobody but itself."""

    def __init__(self, watching: Watching, interval_s: float) -> None:
        self._watching = watching
        self._interval_s = interval_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer until the client leaves, or the daemon stops."""
        writer = ResponseWriter(send, routes.STREAM_TYPE)
        try:
            async with Feed([self._watching.follow(self._interval_s)], receive) as feed:
                await writer.start()
                while not feed.ended:
                    if found := await feed.batch():
                        await writer.write(b"".join(lines for _, lines in found))
                await writer.finish()
        except ClientGone:
            return


def router() -> Router:
    """Return the route; `watching` is injected."""
    return Router("/", route_handlers=[events], tags=["control"])


def _interval_s(text: str) -> float:
    """Return the seconds in `text`, none where it is empty. Raises OmlxError."""
    try:
        seconds = parse_duration_s(text) if text else 0.0
    except ValueError as error:
        raise OmlxError(Code.INVALID_REQUEST, f"interval: {error}", param="interval") from error
    if seconds > MAX_INTERVAL_S:
        raise OmlxError(Code.INVALID_REQUEST, "interval: this may be 1h at most", param="interval")
    return seconds
