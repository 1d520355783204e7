"""Events of one sequence as those of a stream: start, blocks one after the other, the reason and the usage, stop."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from omlx_cli.contract.errors import ErrorBody
from omlx_daemon.api.anthropic import errors
from omlx_daemon.api.anthropic.blocks import Blocks
from omlx_daemon.api.anthropic.convert import Job
from omlx_daemon.api.anthropic.replies import (
    AnthropicMessage,
    ContextManagement,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    StreamEvent,
)
from omlx_daemon.api.anthropic.usage import usage_reply
from omlx_daemon.api.anthropic.whole import ending
from omlx_daemon.api.reuse import Reuse
from omlx_daemon.api.sse import named_frame
from omlx_daemon.core.events import Event, Finished, Usage

_ENCODER = msgspec.json.Encoder()


class MessageStream:
    """The events of one message, each as it is sent."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._blocks = Blocks(omitted=job.omits_thinking)

    def opening(self, prompt_tokens: int, reuse: Reuse | None) -> list[bytes]:
        """Return what comes before the answer; without `reuse` nothing is told of the caches before the end."""
        usage = Usage(
            prompt_tokens=prompt_tokens,
            cached_hot_tokens=reuse.cached_hot_tokens if reuse else 0,
            cached_cold_tokens=reuse.cached_cold_tokens if reuse else 0,
        )
        message = AnthropicMessage(
            id=self._job.id, model=self._job.model, content=[], usage=usage_reply(usage, self._job.scale)
        )
        return [_event(MessageStart(message=message)), PING]

    def events(self, event: Event) -> list[bytes]:
        """Return what `event` adds to the stream; nothing where it says nothing about the answer."""
        if isinstance(event, Finished):
            return self._closing(event)
        return [_event(told) for told in self._blocks.add(event)]

    def _closing(self, end: Finished) -> list[bytes]:
        rest = [_event(told) for told in self._blocks.end()]
        delta = MessageDelta(
            delta=ending(self._job, end, self._blocks),
            usage=usage_reply(end.usage, self._job.scale),
            context_management=ContextManagement() if self._job.manages_context else UNSET,
        )
        return [*rest, _event(delta), _event(MessageStop())]


def framed(events: Sequence[bytes]) -> bytes:
    """Return events, framed already, as one piece."""
    return b"".join(events)


def ping(_: str) -> bytes:
    """Return a sign of life, whatever is being done."""
    return PING


def error_event(body: ErrorBody, request_id: str) -> bytes:
    """Return the event that ends a stream with an error."""
    return named_frame("error", _ENCODER.encode(errors.reply(body, errors.status_of(body), request_id)))


def _event(event: StreamEvent) -> bytes:
    name = str(event.__struct_config__.tag)
    return named_frame(name, _ENCODER.encode(event))


PING = _event(Ping())
