"""Changes to the texts of a chat's turns. What nothing changed is the same object."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from omlx_daemon.core.requests import ChatPrompt, Message

SYSTEM = ("system", "developer")
Change = Callable[[str], str]


def changed_texts(prompt: ChatPrompt, roles: Collection[str], change: Change) -> ChatPrompt:
    """Return `prompt` with the texts of these roles changed; turns that become empty go where they may."""
    messages: list[Message] = []
    is_changed = False
    for message in prompt.messages:
        after = change(message.content) if message.role in roles else message.content
        if after == message.content:
            messages.append(message)
            continue
        is_changed = True
        if after or not _may_go(message, messages):
            messages.append(msgspec.structs.replace(message, content=after))
    return msgspec.structs.replace(prompt, messages=tuple(messages)) if is_changed and messages else prompt


def settled(change: Change) -> Change:
    """Return `change` done until it changes nothing more; it must shorten what it changes."""

    def again(text: str) -> str:
        while (after := change(text)) != text:
            text = after
        return text

    return again


def _may_go(message: Message, before: list[Message]) -> bool:
    """Tell whether an empty turn says nothing: a system turn, or a user's that follows another turn to answer."""
    if message.role in SYSTEM:
        return True
    return message.role == "user" and bool(before) and before[-1].role in ("user", "tool")
