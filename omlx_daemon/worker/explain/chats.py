"""What changed between two chats. Pure; judges by their turns, not by their tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

import msgspec

from omlx_cli.contract.misses import MissCause
from omlx_daemon.core.requests import ChatPrompt, Message
from omlx_daemon.worker.explain.lines import Lines, first_difference, likeness

Finding = tuple[MissCause, str]
"""A cause, and what exactly."""

_SYSTEM = ("system", "developer")
_SAME_TEXT = 0.5
"""Texts that have so much in common are one text that changed."""
_REASONING = re.compile(
    r"</?(?:think|thinking|thought|reasoning|seed:think)>|\[/?THINK\]|<\|channel\|>analysis|<\|START_THINKING\|>"
    r"|<\|begin_of_thought\|>|<unused94>thought"
)
_NOTHING: Finding = (MissCause.NONE, "")


@dataclass(frozen=True, slots=True)
class Window:
    """A few tokens of text at the place where two prompts part."""

    before: str
    now: str
    earlier: str

    @property
    def drops_reasoning(self) -> bool:
        """Whether the earlier prompt, or its answer, has reasoning there and this one has none."""
        return bool(_REASONING.search(self.before[-40:] + self.earlier)) and not _REASONING.search(self.now)


def compare(now: ChatPrompt, earlier: ChatPrompt, window: Window) -> Finding:
    """Return what changed from `earlier` to `now`; NONE where they are two chats that go their own ways."""
    system = _head(now.messages), _head(earlier.messages)
    if system[0] != system[1] and not (_tools_differ(now, earlier) and _is_in_tools(now, window)):
        return _system(now, earlier, *system)
    if _tools_differ(now, earlier):
        return _tools(now, earlier)
    return _turns(now, earlier, window)


def has_reasoning(text: str) -> bool:
    """Return whether a text has the marks of reasoning."""
    return bool(_REASONING.search(text))


def _system(now: ChatPrompt, earlier: ChatPrompt, text: str, before: str) -> Finding:
    is_like = likeness(text, before) >= _SAME_TEXT
    found = first_difference(text, before).volatile(certain=is_like)
    moved = [m.content for m in _rest(earlier.messages) if m.role in _SYSTEM and m.content.strip()]
    if any(one.strip() in text and one.strip() not in before for one in moved):
        return MissCause.SYSTEM_HOISTED, "a system message of the conversation's middle"
    if found is None and before.strip() and text.startswith(before.rstrip()):
        return MissCause.SYSTEM_HOISTED, "text was added to the system message at the top"
    is_like = is_like or (found is not None and likeness(text, before, but_for_numbers=True) >= _SAME_TEXT)
    if not ((is_like and text.strip() and before.strip()) or _share_turns(now, earlier, 0)):
        return _NOTHING
    return found or (MissCause.HISTORY_CHANGED, "the system text")


def _tools(now: ChatPrompt, earlier: ChatPrompt) -> Finding:
    if _canonical(now) == _canonical(earlier):
        is_order = [_name(tool) for tool in now.tools] != [_name(tool) for tool in earlier.tools]
        return MissCause.TOOLS_REORDERED, "their order" if is_order else "the order of their keys"
    ours, theirs = {_name(tool) for tool in now.tools}, {_name(tool) for tool in earlier.tools}
    if not ours & theirs and not _share_turns(now, earlier, 0):
        return _NOTHING
    changes = [
        f"{len(names)} {what}" for names, what in ((ours - theirs, "added"), (theirs - ours, "removed")) if names
    ]
    return MissCause.TOOLS_CHANGED, ", ".join(changes) or "their descriptions"


def _turns(now: ChatPrompt, earlier: ChatPrompt, window: Window) -> Finding:
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(now.messages, earlier.messages, strict=False)))
    if same == min(len(now.messages), len(earlier.messages)):
        return _rendering(now, earlier, window)
    one, other = now.messages[same], earlier.messages[same]
    if _reasoned(other) and not _reasoned(one) and one.role == other.role:
        return MissCause.REASONING_STRIPPED, "by the client"
    if other.role in _SYSTEM and one.role not in _SYSTEM:
        return MissCause.HISTORY_CHANGED, "a system message is gone"
    goes_on = _share_turns(now, earlier, same + 1)
    is_answered = len(now.messages) > same + 1 == len(earlier.messages)
    if one.role == other.role and (goes_on or is_answered):
        found = _text(one, other, certain=goes_on)
        if found is not None:
            return found
    return (MissCause.HISTORY_CHANGED, f"a message of the {other.role}") if goes_on else _NOTHING


def _rendering(now: ChatPrompt, earlier: ChatPrompt, window: Window) -> Finding:
    """Tell why chats part that have the same turns as far as they go."""
    if now.template_kwargs != earlier.template_kwargs:
        return MissCause.HISTORY_CHANGED, "chat_template_kwargs"
    if window.drops_reasoning:
        answer = now.messages[len(earlier.messages) : len(earlier.messages) + 1]
        kept = any(_reasoned(message) for message in answer)
        return MissCause.REASONING_STRIPPED, "by the model's template" if kept else "by the client"
    if len(now.messages) <= len(earlier.messages):
        return _NOTHING
    return MissCause.HISTORY_CHANGED, "the answer came back otherwise than the model gave it"


def _text(one: Message, other: Message, *, certain: bool) -> Finding | None:
    lines = first_difference(one.content, other.content)
    if lines == Lines("", ""):
        return None
    same = certain and (likeness(one.content, other.content) >= _SAME_TEXT or "\n" not in other.content)
    return lines.volatile(certain=same)


def _reasoned(message: Message) -> bool:
    return bool(message.reasoning) or (message.role == "assistant" and has_reasoning(message.content))


def _share_turns(now: ChatPrompt, earlier: ChatPrompt, start: int) -> bool:
    """Return whether most of the shorter one's turns after the first `start`, beside the system's, are in both."""
    ours, theirs = ({_key(m) for m in prompt.messages[start:] if m.role not in _SYSTEM} for prompt in (now, earlier))
    return bool(ours & theirs) and _size(ours & theirs) >= _SAME_TEXT * min(_size(ours), _size(theirs))


def _key(message: Message) -> tuple[str, str, int]:
    return message.role, message.content, len(message.tool_calls)


def _size(keys: set[tuple[str, str, int]]) -> int:
    return sum(len(content) + 1 for _, content, _ in keys)


def _head(messages: tuple[Message, ...]) -> str:
    return "\n".join(message.content for message in takewhile(lambda message: message.role in _SYSTEM, messages))


def _rest(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return messages[sum(1 for _ in takewhile(lambda message: message.role in _SYSTEM, messages)) :]


def _tools_differ(now: ChatPrompt, earlier: ChatPrompt) -> bool:
    return msgspec.json.encode(now.tools) != msgspec.json.encode(earlier.tools)


def _is_in_tools(prompt: ChatPrompt, window: Window) -> bool:
    """Return whether the text where two prompts part is that of tools."""
    word = max(re.findall(r"[\w ]{6,}", window.now), key=len, default="")
    return bool(word) and word.encode() in msgspec.json.encode(prompt.tools) and word not in _head(prompt.messages)


def _canonical(prompt: ChatPrompt) -> list[bytes]:
    return sorted(msgspec.json.encode(tool, order="sorted") for tool in prompt.tools)


def _name(tool: dict[str, object]) -> str:
    function = tool.get("function")
    return str(function.get("name", "")) if isinstance(function, dict) else str(tool.get("name", ""))
