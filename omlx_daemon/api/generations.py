"""What every dialect does with the events of generations as they come in."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.api.feed import ClientGone, Feed
from omlx_daemon.api.reuse import Reuse, is_soon, reuse_so_far
from omlx_daemon.core.events import Event, Failed, Loading, Prefill, Queued

Events = list[tuple[int, Event]]
"""Events, each with the index of its sequence."""

HEADER_PATIENCE_S = 1.0
"""How long a stream's header waits for the word of what the caches held. Text never waits for it."""


async def first_events(feed: Feed[Event], count: int, patience_s: float) -> Events:
    """Return the events up to the first one of each of `count` sequences that its worker says.

    Fewer after `patience_s`. Raises OmlxError for a refusal.
    """
    events: Events = []
    waiting = set(range(count))
    until_s = time.monotonic() + patience_s
    while waiting and (left_s := until_s - time.monotonic()) > 0:
        raise_end(feed)
        for index, event in await feed.batch(None if math.isinf(left_s) else left_s):
            if index in waiting:
                raise_failure(event)
            if not isinstance(event, Loading):
                waiting.discard(index)
            events.append((index, event))
    return events


async def reuse_soon(feed: Feed[Event], events: Events, count: int, choices: int, patience_s: float) -> Reuse | None:
    """Return what the caches held for `count` sequences, if it is known soon; `events` grows by what came meanwhile.

    A failure meanwhile is left to the next read of the feed.
    """
    deadline_s = time.monotonic() + min(HEADER_PATIENCE_S, patience_s)
    while True:
        reuse = reuse_so_far(events, count, choices)
        left_s = deadline_s - time.monotonic()
        if reuse or left_s <= 0 or feed.ended or not is_soon(events, count):
            return reuse
        try:
            events += await feed.batch(left_s)
        except ClientGone:
            raise
        except Exception:  # noqa: BLE001 - raised again where it is answered
            return None


def raise_failure(event: Event) -> None:
    """Raise the OmlxError that `event` tells of, if it does."""
    if isinstance(event, Failed):
        raise OmlxError.of(event.error)


def raise_end(feed: Feed[Event]) -> None:
    """Raise OmlxError where no more events are to come."""
    if feed.ended:
        raise OmlxError(Code.GENERATION_FAILED, "the generation ended without a result")


def doing(events: Sequence[tuple[int, Event]]) -> str:
    """Return in a few words what is being done by the last of `events` that tells."""
    return next((text for _, event in reversed(events) if (text := progress(event))), "waiting")


def progress(event: Event) -> str:
    """Return what `event` tells about the time before the answer; empty where it belongs to the answer."""
    match event:
        case Loading():
            return f"loading {event.share:.0%}"
        case Queued():
            return f"queued {event.position}"
        case Prefill():
            return f"prefill {event.done_tokens}/{event.total_tokens}"
        case _:
            return ""
