"""Codex CLI, over OpenAI's Responses. It takes a provider from its arguments or its settings, not from variables."""

from __future__ import annotations

import json

from omlx_cli.agents.agent import Agent, Configuration, Launch, Place, Target

_KEY_VARIABLE = "OMLX_API_KEY"


def _launch(target: Target) -> Launch:
    values = {
        "model": target.model,
        "model_provider": "omlx",
        **{f"model_providers.omlx.{name}": value for name, value in _provider(target).items()},
        **_window(target),
    }
    words = tuple(word for name, value in values.items() for word in ("-c", f"{name}={json.dumps(value)}"))
    return Launch({_KEY_VARIABLE: target.key} if target.key else {}, arguments=words)


def _provider(target: Target) -> dict[str, object]:
    provider: dict[str, object] = {"name": "omlx", "base_url": target.openai_url, "wire_api": "responses"}
    return provider | ({"env_key": _KEY_VARIABLE} if target.key else {})


def _window(target: Target) -> dict[str, object]:
    return {"model_context_window": target.context_tokens} if target.context_tokens else {}


def _configuration(target: Target, place: Place) -> Configuration:
    values: dict[str, object] = {
        "model": target.model,
        "model_provider": "omlx",
        **_window(target),
        "model_providers": {"omlx": _provider(target)},
    }
    return Configuration(place.folder("CODEX_HOME", ".codex") / "config.toml", values)


AGENT = Agent("codex", "npm install -g @openai/codex", _launch, _configuration)
