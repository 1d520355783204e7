"""Requests in the shapes that Claude Code's public documentation and the API's reference describe."""

from __future__ import annotations

from typing import Any

HEADERS = {
    "content-type": "application/json",
    "accept": "application/json",
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
    "anthropic-dangerous-direct-browser-access": "true",
    "authorization": "Bearer unused",
    "user-agent": "claude-cli/2.1.0 (external, cli)",
    "x-app": "cli",
    "x-stainless-lang": "js",
    "x-stainless-retry-count": "0",
    "x-stainless-timeout": "600",
}
PATH = "/v1/messages?beta=true"

_CACHED = {"cache_control": {"type": "ephemeral"}}
_USER = {"user_id": "user_0123456789abcdef_account__session_01234567-89ab-cdef-0123-456789abcdef"}
_SYSTEM = [
    {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.0; cc_entrypoint=cli;"},
    {"type": "text", "text": "You are a coding agent in a terminal.", **_CACHED},
    {"type": "text", "text": "# Environment\nWorking directory: /project", **_CACHED},
]
_READ = {
    "name": "Read",
    "description": "Reads a file.",
    "input_schema": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"file_path": {"type": "string"}, "limit": {"type": "number"}},
        "required": ["file_path"],
        "additionalProperties": False,
    },
}
_BASH = {
    "name": "Bash",
    "description": "Runs a command.",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}, "required": ["command"]},
}
_REMINDER = "<system-reminder>\nThe date is 2026-01-02.\n</system-reminder>"

TURN: dict[str, Any] = {
    "model": "agent",
    "max_tokens": 32_000,
    "stream": True,
    "temperature": 1,
    "system": _SYSTEM,
    "metadata": _USER,
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "medium"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "tools": [_READ, {**_BASH, **_CACHED, "eager_input_streaming": True}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": _REMINDER},
                {"type": "text", "text": "Why does the build fail?", **_CACHED},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I should look.", "signature": "omlx-1-AAAA"},
                {"type": "text", "text": "I will read the file and run the build."},
                {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"file_path": "/project/a.py"}},
                {"type": "tool_use", "id": "toolu_2", "name": "Bash", "input": {"command": "make"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "1\tx = 1"}]},
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_2",
                    "is_error": True,
                    "content": "<tool_use_error>Exit code 2</tool_use_error>",
                    **_CACHED,
                },
                {"type": "text", "text": _REMINDER},
            ],
        },
    ],
}
"""One turn of the agent's loop."""

PROBE: dict[str, Any] = {
    "model": "claude-haiku-4-5-20251001",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": "quota"}],
    "metadata": _USER,
}
"""What is sent to learn whether the account works."""

TITLE: dict[str, Any] = {
    "model": "claude-haiku-4-5-20251001",
    "max_tokens": 512,
    "temperature": 0,
    "stream": True,
    "system": [{"type": "text", "text": "Name the topic of the conversation as JSON."}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Why does the build fail?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "{"}]},
    ],
    "tools": [],
    "metadata": _USER,
}
"""A background call for a title, its answer begun."""

COUNT: dict[str, Any] = {
    "model": "agent",
    "messages": [{"role": "user", "content": "foo"}],
    "tools": [_READ],
    "system": _SYSTEM,
    "thinking": {"type": "enabled", "budget_tokens": 1024},
}

SEARCH: dict[str, Any] = {
    "model": "agent",
    "max_tokens": 4096,
    "stream": True,
    "messages": [{"role": "user", "content": "Perform a web search for the query: sky"}],
    "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
}
"""A search that Anthropic's servers would make."""
