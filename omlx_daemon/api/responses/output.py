"""What a model says as items: reasoning, messages and calls in the order in which they come, never two open."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import UNSET

from omlx_daemon.api import signature
from omlx_daemon.api.openai.logprobs import chat_logprobs
from omlx_daemon.api.openai.replies import ChosenReply
from omlx_daemon.api.responses import calls
from omlx_daemon.api.responses import events as told
from omlx_daemon.api.responses.events import StreamEvent
from omlx_daemon.api.responses.replies import (
    MessageOutput,
    Output,
    OutputText,
    ReasoningOutput,
    ReasoningText,
    Status,
)
from omlx_daemon.api.responses.tools import Tools
from omlx_daemon.core.events import Event, Reasoning, Text, TokenLogprob, ToolCall


@dataclass(slots=True)
class _Open:
    """An item whose pieces come in."""

    id: str
    is_reasoning: bool
    pieces: list[str] = field(default_factory=list)
    logprobs: list[ChosenReply] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class OutputItems:
    """Turns events of one sequence into the items of a response and the events of its stream."""

    def __init__(self, name: str, tools: Tools, *, seals: bool) -> None:
        """Number items after `name`; `seals` gives reasoning in `encrypted_content` too."""
        self.items: list[Output] = []
        """The items that are whole."""
        self._name, self._tools, self._seals = name, tools, seals
        self._open: _Open | None = None
        self._space = ""
        """White space that is told if text follows it, and is of no use before a call or at the end."""
        self._call: list[ToolCall] = []
        """Pieces of a call: it is told once it is whole, since it may be taken back until then."""

    def add(self, event: Event) -> list[StreamEvent]:
        """Return what `event` adds; nothing where it says nothing about the answer."""
        match event:
            case Text():
                return [*self._tell_call(), *self._text(event.text, event.logprobs)]
            case Reasoning() if event.text:
                return [*self._tell_call(), *self._think(event.text)]
            case ToolCall() if event.void:
                self._call = []
                return []
            case ToolCall():
                before = self._tell_call() if event.id else []
                self._call.append(event)
                return before
            case _:
                return []

    def end(self, status: Status = "completed") -> list[StreamEvent]:
        """Return what ends the last item, which is as complete as `status` says."""
        made = self._tell_call()
        if not self.items and self._open is None:
            made += self._begin(is_reasoning=False)
            made += self._piece(self._space, ()) if self._space else []
        return [*made, *self._close(status)]

    def _text(self, text: str, logprobs: tuple[TokenLogprob, ...]) -> list[StreamEvent]:
        if self._open is not None and not self._open.is_reasoning:
            return self._piece(text, logprobs) if text or logprobs else []
        text, self._space = self._space + text, ""
        if not text.strip():
            self._space = text
            return []
        return [*self._begin(is_reasoning=False), *self._piece(text, logprobs)]

    def _think(self, text: str) -> list[StreamEvent]:
        begun = [] if self._open is not None and self._open.is_reasoning else self._begin(is_reasoning=True)
        return [*begun, *self._piece(text, ())]

    def _piece(self, text: str, logprobs: tuple[TokenLogprob, ...]) -> list[StreamEvent]:
        item = self._open
        assert item is not None
        item.pieces.append(text)
        at = len(self.items)
        if item.is_reasoning:
            return [told.ReasoningDelta(item_id=item.id, output_index=at, delta=text)]
        chosen = chat_logprobs(logprobs).content if logprobs else []
        item.logprobs += chosen
        return [told.TextDelta(item_id=item.id, output_index=at, delta=text, logprobs=chosen)]

    def _begin(self, *, is_reasoning: bool) -> list[StreamEvent]:
        closed = self._close("completed")
        item = _Open(self._id("rs" if is_reasoning else "msg"), is_reasoning)
        self._open, self._space = item, ""
        at = len(self.items)
        empty: Output = MessageOutput(id=item.id, status="in_progress", content=[])
        if is_reasoning:
            empty = ReasoningOutput(id=item.id, content=[], status="in_progress")
        part = ReasoningText(text="") if is_reasoning else OutputText(text="")
        return [
            *closed,
            told.ItemAdded(output_index=at, item=empty),
            told.PartAdded(item_id=item.id, output_index=at, part=part),
        ]

    def _close(self, status: Status) -> list[StreamEvent]:
        item, self._open = self._open, None
        if item is None:
            return []
        at = len(self.items)
        whole = self._thought(item, status) if item.is_reasoning else _said(item, status)
        self.items.append(whole)
        part = whole.content[0]
        done: StreamEvent = told.TextDone(item_id=item.id, output_index=at, text=part.text, logprobs=item.logprobs)
        if item.is_reasoning:
            done = told.ReasoningDone(item_id=item.id, output_index=at, text=part.text)
        return [
            done,
            told.PartDone(item_id=item.id, output_index=at, part=part),
            told.ItemDone(output_index=at, item=whole),
        ]

    def _thought(self, item: _Open, status: Status) -> ReasoningOutput:
        sealed = signature.of(item.text, omitted=True) if self._seals else UNSET
        content = [ReasoningText(text=item.text)]
        return ReasoningOutput(id=item.id, content=content, status=status, encrypted_content=sealed)

    def _tell_call(self) -> list[StreamEvent]:
        """Return the call that was gathered, whole."""
        pieces, self._call = self._call, []
        if not pieces:
            return []
        closed = self._close("completed")
        self._space = ""
        arguments = "".join(piece.arguments for piece in pieces) or "{}"
        item = calls.item_of(pieces[0], arguments, self._tools.known(pieces[0].name), self._id)
        self.items.append(item)
        return [*closed, *calls.events_of(item, len(self.items) - 1)]

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._name}_{len(self.items)}"


def _said(item: _Open, status: Status) -> MessageOutput:
    return MessageOutput(id=item.id, status=status, content=[OutputText(text=item.text, logprobs=item.logprobs)])
