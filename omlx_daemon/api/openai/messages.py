"""Chat messages of the wire as messages of the core."""

from __future__ import annotations

import msgspec

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.model_options import is_template_kwarg
from omlx_daemon.api.openai.schema import ChatCompletionBody, ChatMessage, ContentPart
from omlx_daemon.core.requests import ChatPrompt, Message


def chat_prompt(body: ChatCompletionBody) -> ChatPrompt:
    """Return the prompt in `body`. Raises OmlxError(INVALID_REQUEST) that names the field at fault."""
    return ChatPrompt(
        messages=tuple(_message(message, f"messages[{index}]") for index, message in enumerate(body.messages)),
        template_kwargs=_template_kwargs(body),
    )


def _message(message: ChatMessage, place: str) -> Message:
    return Message(
        role="system" if message.role == "developer" else message.role,
        content=_content(message, place),
        name=message.name or "",
        reasoning=message.reasoning_content or "",
        tool_calls=tuple(msgspec.to_builtins(call) for call in message.tool_calls or ()),
        tool_call_id=message.tool_call_id or "",
    )


def _content(message: ChatMessage, place: str) -> str:
    if message.content is None:
        if message.role == "assistant":
            return ""
        raise _invalid(f"{place}.content", f"a {message.role} message needs content")
    if isinstance(message.content, str):
        return message.content
    return "".join(_text(part, f"{place}.content[{index}]") for index, part in enumerate(message.content))


def _text(part: ContentPart, place: str) -> str:
    if part.type != "text":
        raise _invalid(f"{place}.type", f"{part.type!r} parts are not supported yet, only text")
    if part.text is None:
        raise _invalid(f"{place}.text", "this field is required")
    return part.text


def _template_kwargs(body: ChatCompletionBody) -> dict[str, object]:
    given: dict[str, object] = dict(body.chat_template_kwargs or {})
    for name in given:
        if not is_template_kwarg(name):
            raise _invalid("chat_template_kwargs", f"{name!r} cannot be set")
    if body.reasoning_effort is not None:
        given.setdefault("reasoning_effort", body.reasoning_effort)
    return given


def _invalid(param: str, problem: str) -> OmlxError:
    return OmlxError(Code.INVALID_REQUEST, f"{param}: {problem}", param=param)
