"""Which model answers to a name, Claude's own names included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.settings import AnthropicSettings, Settings
from omlx_daemon.core.models import ModelSpec, Served
from omlx_daemon.core.options import Options
from omlx_daemon.models.registry import Registry

CLAUDE = "claude-"
TIERS = ("haiku", "sonnet", "opus")


class ServedNames:
    """Implements `core.ports.Names`. Disk work runs on a thread, so that the event loop never waits for it."""

    def __init__(self, registry: Registry, options: Options, current: Callable[[], Settings]) -> None:
        """Look names up in `registry`; `current` gives the settings in use."""
        self._registry = registry
        self._options = options
        self._current = current

    async def served(self, name: str) -> Served:
        """Return the model that answers to `name`: its own or an alias, else the one that is set for such names.

        Raises OmlxError(MODEL_NOT_FOUND).
        """
        return await asyncio.to_thread(self._served, name)

    def _served(self, name: str) -> Served:
        settings = self._current()
        meant = self._meant(name, settings.anthropic)
        try:
            spec = self._registry.resolve(meant)
        except OmlxError as error:
            if error.code is Code.MODEL_NOT_FOUND and name.lower().startswith(CLAUDE):
                raise _no_model_for(name, meant) from error
            raise
        options = self._options.of(spec)
        window = settings.anthropic.client_window if options.client_window is None else options.client_window
        limit = options.context_limit or settings.model.context_limit
        return Served(name=meant, context_tokens=_context_tokens(spec, limit), client_window_tokens=window)

    def _meant(self, name: str, settings: AnthropicSettings) -> str:
        """Return the name to look up: the one that was asked for, where there is such a model or no other is set."""
        lower = name.lower()
        if not lower.startswith(CLAUDE) or lower in (known.lower() for known in self._registry.names()):
            return name
        tier = next((tier for tier in TIERS if tier in lower), "")
        return (getattr(settings, tier) if tier else "") or settings.default or name


def _context_tokens(spec: ModelSpec, limit_tokens: int) -> int:
    """Return the model's context, at most the limit where one is set; 0 where neither is known."""
    return min((tokens for tokens in (spec.context_tokens, limit_tokens) if tokens), default=0)


def _no_model_for(name: str, meant: str) -> OmlxError:
    if meant != name:
        message = f"no model answers to {name!r}: {meant!r}, which is set for it, is not here"
        return OmlxError(Code.MODEL_NOT_FOUND, message, f"omlx pull {meant}  fetches it", param="model")
    return OmlxError(
        Code.MODEL_NOT_FOUND,
        f"no model answers to {name!r}",
        "omlx config set anthropic.default NAME  has a model answer to Claude's names",
        param="model",
    )
