"""Coding agents that can be pointed at the daemon, a module each, imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omlx_cli.agents.agent import Agent

AGENTS: dict[str, str] = {
    "claude": "Claude Code",
    "codex": "Codex CLI",
    "opencode": "OpenCode",
    "qwen": "Qwen Code",
}
"""Every agent by the name of its command, and what people call it."""


def named(name: str) -> Agent:
    """Return the agent called `name`, one of `AGENTS`."""
    from importlib import import_module

    found: Agent = import_module(f"omlx_cli.agents.{name}").AGENT
    return found
