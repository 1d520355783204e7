"""Fetching a model through the daemon."""

from __future__ import annotations

import msgspec

from omlx_cli.client import Client
from omlx_cli.contract import routes
from omlx_cli.contract.api import ModelInfo, PullBody, PullDone, PullEvent, PullFailed, PullProgress
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.progress import Reporter

_EVENTS: msgspec.json.Decoder[PullEvent] = msgspec.json.Decoder(PullEvent)


def pull(client: Client, model: str, name: str, reporter: Reporter) -> PullDone:
    """Fetch `model`, stored as `name` if given, and return how it ended. Raises OmlxError."""
    with reporter:
        for line in client.lines(routes.PULL, PullBody(model=model, name=name)):
            event = _decode(line) if line.strip() else None
            match event:
                case PullProgress():
                    reporter.show(event)
                case PullFailed():
                    raise OmlxError.of(event.error)
                case PullDone():
                    return event
    raise OmlxError(Code.PULL_FAILED, "the pull broke off", "run it again: what was fetched is kept")


def _decode(line: bytes) -> PullProgress | PullDone | PullFailed:
    try:
        return _EVENTS.decode(line)
    except msgspec.DecodeError as error:
        raise OmlxError(Code.INTERNAL, f"the daemon's reply cannot be read: {error}") from error


def outcome(done: PullDone) -> str:
    """Return in a few words what a pull did."""
    return f"{'pulled' if done.changed else 'already here:'} {done.model.name}{_size(done.model)}"


def _size(model: ModelInfo) -> str:
    from omlx_cli.contract.units import format_bytes

    return f" ({format_bytes(model.size_bytes)})" if model.size_bytes else ""
