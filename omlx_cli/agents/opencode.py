"""OpenCode, over OpenAI's chat. Settings in a variable come before those in its files."""

from __future__ import annotations

import json

from omlx_cli.agents.agent import Agent, Configuration, Launch, Place, Target

_ANSWER_SHARE = 4
"""A part of the context that an answer may take."""


def _launch(target: Target) -> Launch:
    return Launch({"OPENCODE_CONFIG_CONTENT": json.dumps(_values(target))})


def _values(target: Target) -> dict[str, object]:
    name = f"omlx/{target.model}"
    limits = {"context": target.context_tokens, "output": target.context_tokens // _ANSWER_SHARE}
    model: dict[str, object] = {"name": target.model, **({"limit": limits} if target.context_tokens else {})}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "omlx",
        "options": {"baseURL": target.openai_url, "apiKey": target.any_key},
        "models": {target.model: model},
    }
    return {"model": name, "small_model": name, "provider": {"omlx": provider}}


def _configuration(target: Target, place: Place) -> Configuration:
    path = place.folder("XDG_CONFIG_HOME", ".config") / "opencode" / "opencode.json"
    return Configuration(path, _values(target), holds_key=bool(target.key))


AGENT = Agent("opencode", "npm install -g opencode-ai", _launch, _configuration)
