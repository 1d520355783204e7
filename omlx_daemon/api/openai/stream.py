"""Events as the chunks of a stream: role first, then deltas, the reason, and the usage if it was asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from omlx_daemon.api.openai.convert import Job
from omlx_daemon.api.openai.logprobs import chat_logprobs, text_logprobs
from omlx_daemon.api.openai.replies import (
    ChatChunkChoice,
    Chunk,
    Delta,
    FunctionDelta,
    TextChoice,
    ToolCallDelta,
    UsageReply,
)
from omlx_daemon.api.openai.usage import usage_reply
from omlx_daemon.api.openai.whole import warning
from omlx_daemon.core.events import Event, Finished, Reasoning, Text, ToolCall, Usage

Choice = ChatChunkChoice | TextChoice

_ENCODER = msgspec.json.Encoder()
_MARK = "\0"


class Chunks(ABC):
    """The chunks of one response, as JSON. `created` is in seconds since the epoch."""

    kind: ClassVar[str]

    def __init__(self, job: Job, created: int) -> None:
        self._job = job
        self._created = created
        self._usages = [Usage()] * len(job.requests)
        self._around = [self._cut(self._piece(index, _MARK)) for index in range(len(job.requests))]
        """What stands before and after the text in a chunk that holds a piece of text alone."""

    def opening(self) -> list[bytes]:
        """Return the chunks that come before any token."""
        return []

    def chunks(self, index: int, event: Event) -> list[bytes]:
        """Return the chunks that `event` of sequence `index` makes; none where it says nothing about the answer."""
        if isinstance(event, Text) and event.text and not event.logprobs:
            before, after = self._around[index]
            return [before + _ENCODER.encode(event.text) + after]
        if isinstance(event, Finished):
            self._usages[index] = event.usage
        choice = self._choice(index, event)
        return [self._encode(choice)] if choice else []

    def closing(self) -> list[bytes]:
        """Return the chunks that follow the last sequence's end."""
        if not self._job.include_usage:
            return []
        return [_ENCODER.encode(self._chunk([], usage_reply(self._usages, self._job.choices)))]

    @abstractmethod
    def _piece(self, index: int, text: str) -> Choice:
        """Return a piece of text of choice `index`."""

    @abstractmethod
    def _choice(self, index: int, event: Event) -> Choice | None:
        """Return what `event` adds to choice `index`."""

    def _cut(self, choice: Choice) -> tuple[bytes, bytes]:
        # Nothing that comes from a client follows the text, so the last mark is ours.
        before, _, after = self._encode(choice).rpartition(_ENCODER.encode(_MARK))
        return before, after

    def _encode(self, choice: Choice) -> bytes:
        return _ENCODER.encode(self._chunk([choice], None if self._job.include_usage else UNSET))

    def _chunk(self, choices: list[Choice], usage: UsageReply | UnsetType | None) -> Chunk:
        return Chunk(
            id=self._job.id,
            object=self.kind,
            created=self._created,
            model=self._job.model,
            choices=choices,
            usage=usage,
        )


class ChatChunks(Chunks):
    """Chunks of a chat."""

    kind = "chat.completion.chunk"

    def opening(self) -> list[bytes]:
        """Return one chunk with the role for each choice."""
        delta = Delta(role="assistant", content="")
        return [self._encode(ChatChunkChoice(index=index, delta=delta)) for index in range(len(self._job.requests))]

    def _piece(self, index: int, text: str) -> ChatChunkChoice:
        return ChatChunkChoice(index=index, delta=Delta(content=text))

    def _choice(self, index: int, event: Event) -> Choice | None:
        match event:
            case Text() if event.logprobs:
                delta = Delta(content=event.text)
                return ChatChunkChoice(index=index, delta=delta, logprobs=chat_logprobs(event.logprobs))
            case Reasoning() if event.text:
                return ChatChunkChoice(index=index, delta=Delta(reasoning_content=event.text))
            case ToolCall() if event.id or event.arguments:
                return ChatChunkChoice(index=index, delta=Delta(tool_calls=[_call(event)]))
            case Finished():
                delta = Delta(warning=warning((*self._job.warnings, *event.warnings)))
                return ChatChunkChoice(index=index, delta=delta, finish_reason=event.reason.value)
            case _:
                return None


def _call(call: ToolCall) -> ToolCallDelta:
    function = FunctionDelta(name=call.name or UNSET, arguments=call.arguments)
    return ToolCallDelta(
        index=call.index, id=call.id or UNSET, type="function" if call.id else UNSET, function=function
    )


class TextChunks(Chunks):
    """Chunks of a text completion."""

    kind = "text_completion"

    def __init__(self, job: Job, created: int) -> None:
        super().__init__(job, created)
        self._offsets = [0] * len(job.requests)

    def _piece(self, index: int, text: str) -> TextChoice:
        return TextChoice(index=index, text=text)

    def _choice(self, index: int, event: Event) -> Choice | None:
        match event:
            case Text() if event.logprobs:
                return self._text(index, event)
            case Finished():
                return TextChoice(index=index, text="", finish_reason=event.reason.value)
            case _:
                return None

    def _text(self, index: int, event: Text) -> TextChoice:
        alternatives = self._job.requests[index].sampling.logprobs
        if alternatives is None:
            return TextChoice(index=index, text=event.text)
        logprobs = text_logprobs(event.logprobs, self._offsets[index], alternatives)
        self._offsets[index] += sum(len(token) for token in logprobs.tokens)
        return TextChoice(index=index, text=event.text, logprobs=logprobs)
