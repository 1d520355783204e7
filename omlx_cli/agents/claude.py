"""Claude Code, over Anthropic's dialect. It appends `/v1/messages` to its base URL."""

from __future__ import annotations

from omlx_cli.agents.agent import Agent, Configuration, Launch, Place, Target

_TIERS = ("ANTHROPIC_MODEL", "ANTHROPIC_DEFAULT_OPUS_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL",
          "ANTHROPIC_DEFAULT_HAIKU_MODEL", "ANTHROPIC_SMALL_FAST_MODEL")  # fmt: skip
"""One model for everything: a second one for small calls would have to be loaded beside it."""
_TIMEOUT_MS = 3_000_000
_WINDOW_TOKENS = 200_000
"""What it takes every model for whose name it does not know."""


def _launch(target: Target) -> Launch:
    return Launch(_environment(target), cleared=("ANTHROPIC_API_KEY",))


def _environment(target: Target) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": target.base_url,
        "ANTHROPIC_AUTH_TOKEN": target.any_key,
        **dict.fromkeys(_TIERS, target.model),
        # Its value changes with each request, at the head of the prompt: nothing cached would fit any more.
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "API_TIMEOUT_MS": str(_TIMEOUT_MS),
        # The daemon tells it counts as shares of that, so that it compacts in time for the model's own context.
        **({"ANTHROPIC_CUSTOM_HEADERS": f"x-omlx-client-window: {_WINDOW_TOKENS}"} if target.says_window else {}),
    }


def _configuration(target: Target, place: Place) -> Configuration:
    path = place.folder("CLAUDE_CONFIG_DIR", ".claude") / "settings.json"
    return Configuration(path, {"env": _environment(target)}, holds_key=bool(target.key))


AGENT = Agent("claude", "npm install -g @anthropic-ai/claude-code", _launch, _configuration)
