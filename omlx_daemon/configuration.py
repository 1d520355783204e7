"""The settings while the daemon runs: read again when told, applied as far as can be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from omlx_cli.contract.api import ReloadReply
from omlx_cli.contract.model_options import ModelOptions, key_of
from omlx_cli.contract.prompt_rules import PROMPT_RULES
from omlx_cli.contract.settings import Settings

AT_ONCE = frozenset(
    {
        "server.api_key",
        "server.keys",
        "server.allowed_hosts",
        "server.keep_alive",
        "daemon.start_timeout",
        "daemon.stop_timeout",
        "daemon.log_level",
        "model.default",
        "model.ttl",
        "model.load_timeout",
        "model.min_residency",
        "memory.limit",
        "memory.reserve",
        "health.stuck_after",
        "health.restart_after",
        "hub.endpoint",
        *(f"prompts.{rule.name}" for rule in PROMPT_RULES),
        "anthropic.client_window",
        "anthropic.haiku",
        "anthropic.sonnet",
        "anthropic.opus",
        "anthropic.default",
    }
)
NEXT_LOAD = frozenset(
    {"model.context_limit", "scheduler.max_running", "scheduler.max_queued", "scheduler.stall_target"}
)
"""What a worker learns when it starts. All that stands in neither set is read once, when the daemon starts."""
OPTIONS_NEXT_LOAD = frozenset({"context_limit", "kv_store_bits", "adapter"})
"""What a worker learns of `[models."NAME"]` when it starts."""

_log = logging.getLogger(__name__)


class LiveSettings:
    """The settings in use. `read` returns those of now; it blocks, and raises OmlxError(INVALID_CONFIG)."""

    def __init__(self, read: Callable[[], Settings]) -> None:
        self._read = read
        self._started = self._current = read()
        self._checks: list[Callable[[Settings], None]] = []
        self._followers: list[Callable[[Settings], None]] = []
        self._reloading = asyncio.Lock()

    @property
    def current(self) -> Settings:
        """The settings as last read, those that only a restart applies included."""
        return self._current

    def follow(self, apply: Callable[[Settings], None], check: Callable[[Settings], None] | None = None) -> None:
        """Have `apply` told of new settings, on the event loop, once every `check` has let them pass."""
        self._followers.append(apply)
        if check is not None:
            self._checks.append(check)

    async def reload(self) -> ReloadReply:
        """Read the settings again and apply what can be. Raises OmlxError(INVALID_CONFIG), nothing changed."""
        async with self._reloading:
            found = await asyncio.to_thread(self._read)
            for check in self._checks:
                check(found)
            reply = _sorted(self._started, self._current, found)
            self._current = found
            for apply in self._followers:
                apply(found)
        _log.info("the settings were read again: %s", describe(reply))
        return reply


def describe(reply: ReloadReply) -> str:
    """Return in one line what a reload did."""
    parts = {
        "applied": reply.applied,
        "at the next load": reply.next_load,
        "at the next start of the daemon": reply.restart,
    }
    return "; ".join(f"{words}: {', '.join(keys)}" for words, keys in parts.items() if keys) or "nothing has changed"


def _sorted(started: Settings, before: Settings, now: Settings) -> ReloadReply:
    changed = list(_changed(before, now))
    return ReloadReply(
        applied=tuple(key for key, kind in changed if kind == "now"),
        next_load=tuple(key for key, kind in changed if kind == "load"),
        restart=tuple(key for key, kind in _changed(started, now) if kind == "restart"),
    )


def _changed(before: Settings, now: Settings) -> Iterator[tuple[str, str]]:
    """Yield (key, when it applies) of every difference: `now`, `load` or `restart`."""
    for section in Settings.__struct_fields__:
        old, new = getattr(before, section), getattr(now, section)
        if section == "models":
            yield from _changed_options(old, new)
        elif old != new:
            yield from ((f"{section}.{name}", _kind(section, name)) for name in _differences(old, new))


def _changed_options(old: dict[str, ModelOptions], new: dict[str, ModelOptions]) -> Iterator[tuple[str, str]]:
    none = ModelOptions()
    for model in dict.fromkeys((*old, *new)):
        for name in _differences(old.get(model, none), new.get(model, none)):
            yield key_of(model, name), "load" if name in OPTIONS_NEXT_LOAD else "now"


def _differences(old: msgspec.Struct, new: msgspec.Struct) -> Iterator[str]:
    values: Any = type(new).__struct_fields__
    return (name for name in values if getattr(old, name) != getattr(new, name))


def _kind(section: str, name: str) -> str:
    key = f"{section}.{name}"
    if key in AT_ONCE:
        return "now"
    return "load" if key in NEXT_LOAD else "restart"
