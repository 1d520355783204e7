"""What a model says as content blocks: reasoning, text and calls in the order in which they come, never two open."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from omlx_daemon.api import signature
from omlx_daemon.api.anthropic.replies import (
    BlockDelta,
    BlockEvent,
    BlockReply,
    BlockStart,
    BlockStop,
    Delta,
    InputDelta,
    SignatureDelta,
    TextDelta,
    TextReply,
    ThinkingDelta,
    ThinkingReply,
    ToolUseReply,
)
from omlx_daemon.core.events import Event, Reasoning, Text, ToolCall


@dataclass(slots=True)
class _Call:
    """A call whose pieces are being gathered: it is told once it is whole, since it may be taken back until then."""

    id: str
    name: str
    arguments: list[str] = field(default_factory=list)


class Blocks:
    """Turns events of one sequence into events of its blocks. `omitted` leaves the text of reasoning out."""

    def __init__(self, *, omitted: bool = False) -> None:
        self._omitted = omitted
        self._count = 0
        self._open: type[BlockReply] | None = None
        self._space = ""
        """White space that is told if text follows it, and is of no use before a call or at the end."""
        self._thoughts: list[str] = []
        self._call: _Call | None = None
        self.calls = False
        """Whether a call was told."""
        self.warnings: list[str] = []

    def add(self, event: Event) -> list[BlockEvent]:
        """Return what `event` adds; nothing where it says nothing about the answer."""
        match event:
            case Text() if event.text:
                return [*self._tell_call(), *self._text(event.text)]
            case Reasoning() if event.text:
                return [*self._tell_call(), *self._reasoning(event.text)]
            case ToolCall():
                return self._tool_call(event)
            case _:
                return []

    def end(self) -> list[BlockEvent]:
        """Return what ends the last block."""
        told = self._tell_call()
        if not self._count and self._space:
            told += self._begin(TextReply(text=""), TextDelta(text=self._space))
        return [*told, *self._close()]

    def _text(self, text: str) -> list[BlockEvent]:
        if self._open is TextReply:
            return [self._delta(TextDelta(text=text))]
        text, self._space = self._space + text, ""
        if text.isspace():
            self._space = text
            return []
        return self._begin(TextReply(text=""), TextDelta(text=text))

    def _reasoning(self, text: str) -> list[BlockEvent]:
        begun: list[BlockEvent] = []
        if self._open is not ThinkingReply:
            begun, self._thoughts = self._begin(ThinkingReply(thinking="", signature="")), []
        self._thoughts.append(text)
        return begun if self._omitted else [*begun, self._delta(ThinkingDelta(thinking=text))]

    def _tool_call(self, piece: ToolCall) -> list[BlockEvent]:
        if piece.void:
            self._call = None
            return []
        told: list[BlockEvent] = []
        if self._call is None or piece.id:
            told = self._tell_call()
            self._call = _Call(piece.id, piece.name)
        self._call.arguments.append(piece.arguments)
        return told

    def _tell_call(self) -> list[BlockEvent]:
        """Return the call that was gathered, whole."""
        call, self._call = self._call, None
        if call is None:
            return []
        arguments = "".join(call.arguments) or "{}"
        if not _is_object(arguments):
            self.warnings.append(f"the input of a call of {call.name} is no JSON object and was given as text")
            return self._text(f"{call.name}({arguments})")
        self.calls = True
        block = ToolUseReply(id=call.id, name=call.name, input={})
        return [*self._begin(block, InputDelta(partial_json=arguments)), *self._close()]

    def _begin(self, block: BlockReply, *deltas: Delta) -> list[BlockEvent]:
        closed = self._close()
        self._open, self._space = type(block), ""
        self._count += 1
        return [*closed, BlockStart(index=self._count - 1, content_block=block), *map(self._delta, deltas)]

    def _close(self) -> list[BlockEvent]:
        kind, self._open = self._open, None
        if kind is None:
            return []
        signed: list[BlockEvent] = []
        if kind is ThinkingReply:
            text = "".join(self._thoughts)
            signed = [self._delta(SignatureDelta(signature=signature.of(text, omitted=self._omitted)))]
        return [*signed, BlockStop(index=self._count - 1)]

    def _delta(self, delta: Delta) -> BlockDelta:
        return BlockDelta(index=self._count - 1, delta=delta)


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, RecursionError):
        return False
