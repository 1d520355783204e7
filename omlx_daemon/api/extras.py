"""What every dialect's body may carry beside its own fields, and what becomes of it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.units import parse_keep_alive_s
from omlx_daemon.api.caller import Caller, priority
from omlx_daemon.core.requests import CachePolicy, Priority

MAX_DEADLINE_S = 30 * 86400
MAX_DEPTH = 100
"""Levels of a tool's schema."""

Class = Annotated[str | int, Meta(extra_json_schema={"enum": list(Priority)})]
Time = Annotated[float, Meta(gt=0, le=MAX_DEADLINE_S)]
KeepAlive = Annotated[str, Meta(extra_json_schema={"pattern": r"^(never|-?\d+(\.\d+)?|-?(\d+(\.\d+)?(ms|[smhdw]))+)$"})]


class Extras(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of omlx's own: `timeout` is another name of `deadline_s`, `keep_alive` the idle time of the model."""

    priority: Class | None = None
    deadline_s: Time | None = None
    timeout: Time | None = None
    keep_alive: KeepAlive | float | None = None
    cache_salt: Annotated[str, Meta(max_length=512)] | None = None
    cache_store: bool | None = None


class Foreign(Extras, frozen=True, kw_only=True):
    """Fields by which other servers hold an answer to a form; here it is `response_format`, or `text.format`."""

    guided_json: None = None
    guided_regex: None = None
    guided_choice: None = None
    guided_grammar: None = None
    structured_outputs: None = None
    grammar: None = None


FOREIGN = frozenset(Foreign.__struct_fields__) - frozenset(Extras.__struct_fields__)
"""Fields that are refused, since ignoring them would leave an answer free that has to have a form."""


class PromptCacheOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Wishes about the prompt cache; none of them changes an answer, and `prewarm` wants none."""

    prewarm: Annotated[bool, Meta(extra_json_schema={"const": False})] | None = None


Verbosity = Literal["low", "medium", "high"]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a request is worked on with, as the core knows it."""

    priority: Priority
    deadline_s: float | None
    keep_alive_s: float | None
    cache: CachePolicy


def terms(extras: Extras, caller: Caller) -> Terms:
    """Return the terms that a body asks for. Raises OmlxError(INVALID_REQUEST)."""
    urgency = caller.priority if extras.priority is None else priority(extras.priority, "priority")
    deadlines = [seconds for seconds in (extras.deadline_s, extras.timeout) if seconds is not None]
    return Terms(
        priority=urgency or Priority.NORMAL,
        deadline_s=min(deadlines, default=None),
        keep_alive_s=_keep_alive_s(extras),
        cache=CachePolicy(salt=caller.salted(extras.cache_salt), no_store=extras.cache_store is False),
    )


def cache_options(options: PromptCacheOptions | None) -> None:
    """Raise OmlxError(INVALID_REQUEST) for what is not supported."""
    if options is not None and options.prewarm:
        raise invalid("prompt_cache_options.prewarm", "not supported; `omlx cache warm` computes a prompt in advance")


def verbosity_warnings(wanted: Verbosity | None, field: str) -> tuple[str, ...]:
    """Return what is to be said of a wish for longer or shorter answers; nothing where they are as ever."""
    return () if wanted in (None, "medium") else (f"{field}: no model here knows it, and this one is not told of it",)


def shallow(value: object, param: str) -> None:
    """Raise OmlxError(INVALID_REQUEST) for JSON that is nested so deeply that templates could not write it."""
    left = [(1, value)]
    while left:
        depth, part = left.pop()
        if depth > MAX_DEPTH:
            raise invalid(param, f"it is nested more than {MAX_DEPTH} levels deep")
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        left += [(depth + 1, one) for one in inner if isinstance(one, dict | list)]


def invalid(param: str, problem: str) -> OmlxError:
    """Return the error for the field `param`."""
    return OmlxError(Code.INVALID_REQUEST, f"{param}: {problem}", param=param)


def _keep_alive_s(extras: Extras) -> float | None:
    if extras.keep_alive is None:
        return None
    try:
        return parse_keep_alive_s(extras.keep_alive)
    except ValueError as error:
        raise invalid("keep_alive", str(error)) from error
