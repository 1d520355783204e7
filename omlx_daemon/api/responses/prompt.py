"""Input items as messages: reasoning, text and calls that follow each other are one turn of the assistant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from omlx_daemon.api import signature
from omlx_daemon.api.extras import invalid
from omlx_daemon.api.responses.parts import convert, text_of
from omlx_daemon.api.responses.schema import Item
from omlx_daemon.api.responses.tools import joined, wrapped
from omlx_daemon.core.requests import Message

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


class MessageItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was said."""

    role: str
    content: Any


class CallItem(msgspec.Struct, frozen=True, kw_only=True):
    """A function that was called."""

    call_id: str
    name: str
    arguments: str
    namespace: str | None = None


class CustomCallItem(msgspec.Struct, frozen=True, kw_only=True):
    """A custom tool that was called."""

    call_id: str
    name: str
    input: str
    namespace: str | None = None


class OutputItem(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool gave."""

    call_id: str
    output: Any


class ReasoningItem(msgspec.Struct, frozen=True, kw_only=True):
    """What the model thought: as text, or sealed as it was given."""

    summary: list[Item] = []
    content: list[Item] | None = None
    encrypted_content: str | None = None


def messages_of(given: str | list[Item]) -> tuple[Message, ...]:
    """Return the messages of an `input`. Raises OmlxError(INVALID_REQUEST) that names the item at fault."""
    if isinstance(given, str):
        return (Message(role="user", content=given),)
    turns = Turns()
    for index, item in enumerate(given):
        _take(turns, item, f"input[{index}]")
    return turns.messages()


class Turns:
    """Messages as they come together."""

    def __init__(self) -> None:
        self._done: list[Message] = []
        self._reasoning = ""
        self._text: list[str] = []
        self._calls: list[dict[str, object]] = []

    def think(self, text: str) -> None:
        """Add reasoning, with which a turn begins."""
        if self._text or self._calls:
            self._end_turn()
        self._reasoning += text

    def say(self, text: str) -> None:
        """Add text of the assistant; after calls it begins another turn."""
        if self._calls:
            self._end_turn()
        self._text.append(text)

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """Add a call to the turn."""
        function = {"name": name, "arguments": arguments}
        self._calls.append({"id": call_id, "type": "function", "function": function})

    def add(self, message: Message) -> None:
        """Add a message that is none of the assistant's."""
        self._end_turn()
        self._done.append(message)

    def messages(self) -> tuple[Message, ...]:
        """Return all messages."""
        self._end_turn()
        return tuple(self._done)

    def _end_turn(self) -> None:
        if self._reasoning or self._text or self._calls:
            turn = Message(
                role="assistant",
                content="".join(self._text),
                reasoning=self._reasoning,
                tool_calls=tuple(self._calls),
            )
            self._done.append(turn)
        self._reasoning, self._text, self._calls = "", [], []


def _take(turns: Turns, item: Item, place: str) -> None:
    kind = item.get("type", "message")
    match kind:
        case "message":
            _message(turns, convert(item, MessageItem, place), place)
        case "function_call":
            call = convert(item, CallItem, place)
            turns.call(call.call_id, joined(call.namespace or "", call.name), call.arguments)
        case "custom_tool_call":
            custom = convert(item, CustomCallItem, place)
            turns.call(custom.call_id, joined(custom.namespace or "", custom.name), wrapped(custom.input))
        case "function_call_output" | "custom_tool_call_output":
            given = convert(item, OutputItem, place)
            text = text_of(given.output, f"{place}.output")
            turns.add(Message(role="tool", content=text, tool_call_id=given.call_id))
        case "reasoning":
            turns.think(_reasoning(convert(item, ReasoningItem, place), place))
        case _:
            raise invalid(f"{place}.type", f"{kind!r} items are not supported")


def _message(turns: Turns, item: MessageItem, place: str) -> None:
    if item.role not in _ROLES:
        raise invalid(f"{place}.role", f"{item.role!r} is none of {', '.join(_ROLES)}")
    text = text_of(item.content, f"{place}.content")
    if item.role == "assistant":
        turns.say(text)
    else:
        turns.add(Message(role=_ROLES[item.role], content=text))


def _reasoning(item: ReasoningItem, place: str) -> str:
    """Return the text of reasoning; a summary tells it only where nothing else does."""
    if item.content:
        return text_of(item.content, f"{place}.content")
    if item.encrypted_content and (text := signature.omitted_text(item.encrypted_content)):
        return text
    return _joined(text_of([part], f"{place}.summary") for part in item.summary)


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(parts)
