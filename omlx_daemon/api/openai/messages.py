"""Chat messages of the wire as messages of the core."""

from __future__ import annotations

import msgspec

from omlx_cli.contract.model_options import is_template_kwarg
from omlx_daemon.api.extras import invalid
from omlx_daemon.api.openai.schema import ChatCompletionBody, ChatMessage, ContentPart
from omlx_daemon.api.openai.tools import tools
from omlx_daemon.core.requests import ChatPrompt, Message


def chat_prompt(body: ChatCompletionBody) -> ChatPrompt:
    """Return the prompt in `body`. Raises OmlxError(INVALID_REQUEST) that names the field at fault."""
    return ChatPrompt(
        messages=tuple(_message(message, f"messages[{index}]") for index, message in enumerate(body.messages)),
        tools=tools(body),
        template_kwargs=_template_kwargs(body),
    )


def _message(message: ChatMessage, place: str) -> Message:
    return Message(
        role="system" if message.role == "developer" else message.role,
        content=_content(message, place),
        name=message.name or "",
        reasoning=message.reasoning_content or message.reasoning or "",
        tool_calls=tuple(msgspec.to_builtins(call) for call in message.tool_calls or ()),
        tool_call_id=message.tool_call_id or "",
    )


def _content(message: ChatMessage, place: str) -> str:
    if not message.content and message.refusal:
        return message.refusal
    if message.content is None:
        if message.role == "assistant":
            return ""
        raise invalid(f"{place}.content", f"a {message.role} message needs content")
    if isinstance(message.content, str):
        return message.content
    return "".join(_text(part, f"{place}.content[{index}]") for index, part in enumerate(message.content))


def _text(part: ContentPart, place: str) -> str:
    if part.type not in ("text", "refusal"):
        raise invalid(f"{place}.type", f"{part.type!r} parts are not supported yet, only text")
    text = part.text if part.type == "text" else part.refusal
    if text is None:
        raise invalid(f"{place}.{part.type}", "this field is required")
    return text


def _template_kwargs(body: ChatCompletionBody) -> dict[str, object]:
    given: dict[str, object] = dict(body.chat_template_kwargs or {})
    for name in given:
        if not is_template_kwarg(name):
            raise invalid("chat_template_kwargs", f"{name!r} cannot be set")
    return given
