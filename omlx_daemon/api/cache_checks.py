"""What the bodies of the cache's routes must hold beyond their types. Each check raises OmlxError(INVALID_REQUEST)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import PurePath

import msgspec

from omlx_cli.contract.cache import CacheArchiveBody, CachePinBody, CacheWarmBody, PruneBody
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.units import parse_duration_s, parse_size_bytes
from omlx_daemon.api.body import decode
from omlx_daemon.api.openai.messages import chat_prompt
from omlx_daemon.api.openai.schema import ChatCompletionBody


def prune(body: PruneBody) -> None:
    """Refuse a prune of everything, and units that nobody can read."""
    if not (body.older_than or body.larger_than or body.model or body.incompatible):
        raise OmlxError(
            Code.INVALID_REQUEST,
            "nothing says what to prune",
            "give older_than, larger_than, model or incompatible; clear removes everything",
        )
    _check("older_than", body.older_than, parse_duration_s)
    _check("larger_than", body.larger_than, parse_size_bytes)
    if body.older_than and math.isinf(parse_duration_s(body.older_than)):
        raise _invalid("older_than", "no block is older than never; write for example 7d")


def pin(body: CachePinBody) -> None:
    """Refuse a pin of nothing, or without a name."""
    for field in ("label", "model", "system"):
        if not getattr(body, field).strip():
            raise _invalid(field, "this may not be empty")


def warm(body: CacheWarmBody) -> CacheWarmBody:
    """Refuse anything but one of text and messages; return the body with these as the chat route reads them."""
    if not body.model:
        raise _invalid("model", "this may not be empty")
    if bool(body.text) == bool(body.messages):
        raise _invalid("text", "give either text or messages")
    if not body.messages:
        return body
    chat = decode(msgspec.json.encode({"model": body.model, "messages": body.messages}), ChatCompletionBody)
    messages = tuple(msgspec.to_builtins(message) for message in chat_prompt(chat).messages)
    return msgspec.structs.replace(body, messages=messages)


def archive(body: CacheArchiveBody, *, needs_model: bool) -> None:
    """Refuse a path that is not absolute, since the daemon has no working directory of its caller's."""
    if not PurePath(body.path).is_absolute() or "\0" in body.path:
        raise _invalid("path", "this must be an absolute path")
    if bool(body.model) != needs_model:
        raise _invalid("model", "this may not be empty" if needs_model else "an archive knows its own model")


def _check(field: str, text: str, parse: Callable[[str], object]) -> None:
    try:
        if text:
            parse(text)
    except ValueError as error:
        raise _invalid(field, str(error)) from error


def _invalid(field: str, problem: str) -> OmlxError:
    return OmlxError(Code.INVALID_REQUEST, f"{field}: {problem}", param=field)
