"""System messages of a conversation's middle: left to the model's template, or rendered as marked user turns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import msgspec

from omlx_cli.contract.errors import OmlxError
from omlx_daemon.core.requests import ChatPrompt, Message, Prompt
from omlx_daemon.worker.engine.ports import Encoder

RULE = "system_in_place"
_SYSTEM = ("system", "developer")
_TO_ANSWER = ("user", "tool")
_WORDS = ("Apple", "Banana", "Cherry", "Damson")


class SystemTurns:
    """Knows whether a model's template has a place for them. Called on the tokenising thread alone."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._keeps: bool | None = None

    def placed(self, prompt: Prompt) -> Prompt:
        """Return `prompt`, its system messages of the middle as user turns where the template would refuse, lose or
        move them."""
        if not isinstance(prompt, ChatPrompt) or not prompt.system_in_place:
            return prompt
        if self._keeps is None:
            self._keeps = self._probe()
        return prompt if self._keeps else msgspec.structs.replace(prompt, messages=_as_user_turns(prompt.messages))

    def _probe(self) -> bool:
        """Tell whether the template renders a system message where it stands: after an answer, and as the last."""
        first, answer, system, last = _WORDS
        begun = (Message(role="user", content=first), Message(role="assistant", content=answer))
        told = Message(role="system", content=system)
        asked = Message(role="user", content=last)
        return self._in_order((*begun, told, asked)) and self._in_order((*begun, asked, told))

    def _in_order(self, messages: Sequence[Message]) -> bool:
        try:
            text = self._encoder.decode(self._encoder.encode_chat(ChatPrompt(messages=tuple(messages))))
        except OmlxError:
            return False
        places = [text.find(message.content) for message in messages]
        return -1 not in places and places == sorted(places)


def _as_user_turns(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return `messages` with system messages of the middle as marked text of users' turns.

    Each joins the turn before it, or begins one that the user's next turn joins: templates that want the roles to take
    turns accept that, and it stays as it is when the conversation goes on.
    """
    placed = list(takewhile(lambda message: message.role in _SYSTEM, messages))
    is_ours = False
    for message in messages[len(placed) :]:
        last = placed[-1] if placed else None
        if message.role in _SYSTEM:
            text = f"<system-reminder>\n{message.content}\n</system-reminder>"
            joins = last is not None and last.role in _TO_ANSWER
            is_ours = is_ours if joins else True
        else:
            text = message.content
            joins = is_ours and message.role == "user"
            is_ours = is_ours and joins
        if joins and last is not None:
            placed[-1] = msgspec.structs.replace(last, content=f"{last.content}\n\n{text}")
        elif message.role in _SYSTEM:
            placed.append(Message(role="user", content=text))
        else:
            placed.append(message)
    return tuple(placed)
