"""Bodies as clients send them, and how they are read."""

from __future__ import annotations

import json
from typing import Any

from omlx_daemon.api.anthropic.convert import Job, message_job
from omlx_daemon.api.anthropic.prompt import chat_prompt
from omlx_daemon.api.anthropic.schema import MessagesBody
from omlx_daemon.api.body import decode
from omlx_daemon.api.caller import Caller
from omlx_daemon.core.models import Served
from omlx_daemon.core.requests import ChatPrompt

ASK = [{"role": "user", "content": "Why is the sky blue?"}]
LOOK: dict[str, Any] = {
    "name": "look",
    "description": "Looks up.",
    "input_schema": {"type": "object", "properties": {"at": {}}},
}
WAIT = {"name": "wait", "input_schema": {"type": "object"}}
CALLER = Caller(request_id="req_1", peer="127.0.0.1")


def body(**fields: Any) -> MessagesBody:
    """Return a body of `fields` beside the required ones."""
    asked = {"model": "sky", "max_tokens": 64, "messages": ASK, **fields}
    return decode(json.dumps(asked).encode(), MessagesBody)


def prompt(*messages: dict[str, Any], **fields: Any) -> ChatPrompt:
    """Return the prompt of `messages`."""
    return chat_prompt(body(messages=list(messages), **fields))


def job(**fields: Any) -> Job:
    """Return the job of a body of `fields`."""
    return message_job(body(**fields), CALLER, Served(name="sky"))


def user(content: object) -> dict[str, Any]:
    """Return a user's turn."""
    return {"role": "user", "content": content}


def assistant(content: object) -> dict[str, Any]:
    """Return an answer."""
    return {"role": "assistant", "content": content}


def text(words: str, **more: Any) -> dict[str, Any]:
    """Return a block of text."""
    return {"type": "text", "text": words, **more}
