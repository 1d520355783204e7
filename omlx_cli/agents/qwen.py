"""Qwen Code, over OpenAI's chat."""

from __future__ import annotations

from omlx_cli.agents.agent import Agent, Configuration, Launch, Place, Target

_KEY_VARIABLE = "OMLX_API_KEY"


def _launch(target: Target) -> Launch:
    environment = {
        "OPENAI_BASE_URL": target.openai_url,
        "OPENAI_API_KEY": target.any_key,
        "OPENAI_MODEL": target.model,
    }
    return Launch(environment, arguments=("--auth-type", "openai", "--model", target.model))


def _configuration(target: Target, place: Place) -> Configuration:
    window = {"generationConfig": {"contextWindowSize": target.context_tokens}} if target.context_tokens else {}
    model = {"id": target.model, "name": f"{target.model} (omlx)", "baseUrl": target.openai_url}
    values: dict[str, object] = {
        "modelProviders": {"openai": [{**model, "envKey": _KEY_VARIABLE, **window}]},
        "env": {_KEY_VARIABLE: target.any_key},
        "security": {"auth": {"selectedType": "openai"}},
        "model": {"name": target.model},
    }
    return Configuration(place.home / ".qwen" / "settings.json", values, holds_key=bool(target.key))


AGENT = Agent("qwen", "npm install -g @qwen-code/qwen-code", _launch, _configuration)
