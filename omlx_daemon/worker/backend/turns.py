"""Messages as a model's chat template takes them. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from omlx_daemon.core.requests import Message
from omlx_daemon.core.templates import TemplateTraits

_NINE = 9
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def turns(messages: Sequence[Message], traits: TemplateTraits, *, parsed: bool = True) -> list[dict[str, object]]:
    """Return `messages` for the template that `traits` speak of; what a message lacks is left out.

    Reasoning stands wherever the template looks for it. Ids of calls look as it wants them to, and the result of a call
    names its tool. Arguments of calls are objects where they are `parsed`, as templates iterate over them, else JSON
    text.
    """
    ids, tools = _ids(messages, traits.call_ids), _tools(messages)
    made = [_turn(message, traits, ids, tools) for message in messages]
    return [_with_objects(turn) for turn in made] if parsed else made


def _turn(message: Message, traits: TemplateTraits, ids: dict[str, str], tools: dict[str, str]) -> dict[str, object]:
    turn: dict[str, object] = {"role": message.role, "content": message.content}
    if name := message.name or tools.get(message.tool_call_id, ""):
        turn["name"] = name
    if message.reasoning:
        for field in traits.reasoning_fields or ("reasoning_content",):
            turn[field] = message.reasoning
    if message.tool_calls:
        turn["tool_calls"] = [_call(call, ids) for call in message.tool_calls]
    if message.tool_call_id:
        turn["tool_call_id"] = ids.get(message.tool_call_id, message.tool_call_id)
    return _one_channel(turn) if traits.tool_format == "harmony" else turn


def _one_channel(turn: dict[str, object]) -> dict[str, object]:
    """Return `turn` with what was said before its calls as the end of its reasoning: harmony's template takes one."""
    if "tool_calls" in turn and turn["content"] and "thinking" in turn:
        turn["thinking"] = f"{turn['thinking']}\n\n{turn['content']}"
        turn["content"] = ""
    return turn


def _call(call: dict[str, object], ids: dict[str, str]) -> dict[str, object]:
    identity = call.get("id")
    return {**call, "id": ids[identity]} if isinstance(identity, str) and identity in ids else call


def _with_objects(turn: dict[str, object]) -> dict[str, object]:
    calls = turn.get("tool_calls")
    return {**turn, "tool_calls": [_with_object(call) for call in calls]} if isinstance(calls, list) else turn


def _with_object(call: dict[str, object]) -> dict[str, object]:
    """Return a tool call with its arguments as an object, where they are one."""
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    try:
        arguments = json.loads(function["arguments"] or "{}")
    except (ValueError, RecursionError):
        return call
    return {**call, "function": {**function, "arguments": arguments}}


def _made(messages: Sequence[Message]) -> list[tuple[str, str]]:
    """Return id and tool of every call in `messages`."""
    calls = [call for message in messages for call in message.tool_calls]
    functions = [(call.get("id"), call.get("function")) for call in calls]
    return [
        (str(identity), str(function.get("name", "")))
        for identity, function in functions
        if identity and isinstance(function, dict)
    ]


def _tools(messages: Sequence[Message]) -> dict[str, str]:
    return dict(_made(messages))


def _ids(messages: Sequence[Message], wanted: str) -> dict[str, str]:
    """Return what the ids of calls become; nothing where they may stay."""
    if wanted == "nine":
        return {identity: _nine(identity) for identity, _ in _made(messages)}
    if wanted == "numbered":
        return {identity: f"functions.{tool}:{place}" for place, (identity, tool) in enumerate(_made(messages))}
    return {}


def _nine(identity: str) -> str:
    """Return nine letters and digits for an id, the same ones every time."""
    if len(identity) == _NINE and identity.isascii() and identity.isalnum():
        return identity
    number = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8])
    letters = []
    for _ in range(_NINE):
        number, place = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[place])
    return "".join(letters)
