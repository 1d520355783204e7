"""Events as the chunks of a stream: role first, then deltas, the reason, and the usage if it was asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from omlx_daemon.api.openai.convert import Job
from omlx_daemon.api.openai.logprobs import chat_logprobs, text_logprobs
from omlx_daemon.api.openai.replies import ChatChunkChoice, Chunk, Delta, TextChoice, UsageReply
from omlx_daemon.api.openai.usage import usage_reply
from omlx_daemon.api.openai.whole import tool_call_reply
from omlx_daemon.core.events import Event, Finished, Reasoning, Text, ToolCall, Usage

Choice = ChatChunkChoice | TextChoice

_ENCODER = msgspec.json.Encoder()


class Chunks(ABC):
    """The chunks of one response, as JSON. `created` is in seconds since the epoch."""

    kind: ClassVar[str]

    def __init__(self, job: Job, created: int) -> None:
        self._job = job
        self._created = created
        self._usages = [Usage()] * len(job.requests)

    def opening(self) -> list[bytes]:
        """Return the chunks that come before any token."""
        return []

    def chunks(self, index: int, event: Event) -> list[bytes]:
        """Return the chunks that `event` of sequence `index` makes; none where it says nothing about the answer."""
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
    def _choice(self, index: int, event: Event) -> Choice | None:
        """Return what `event` adds to choice `index`."""

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

    def __init__(self, job: Job, created: int) -> None:
        super().__init__(job, created)
        self._calls = [0] * len(job.requests)

    def opening(self) -> list[bytes]:
        """Return one chunk with the role for each choice."""
        delta = Delta(role="assistant", content="")
        return [self._encode(ChatChunkChoice(index=index, delta=delta)) for index in range(len(self._job.requests))]

    def _choice(self, index: int, event: Event) -> Choice | None:
        match event:
            case Text() if event.text or event.logprobs:
                logprobs = chat_logprobs(event.logprobs) if event.logprobs else None
                return ChatChunkChoice(index=index, delta=Delta(content=event.text), logprobs=logprobs)
            case Reasoning() if event.text:
                return ChatChunkChoice(index=index, delta=Delta(reasoning_content=event.text))
            case ToolCall():
                return ChatChunkChoice(index=index, delta=self._call(index, event))
            case Finished():
                return ChatChunkChoice(index=index, delta=Delta(), finish_reason=event.reason.value)
            case _:
                return None

    def _call(self, index: int, call: ToolCall) -> Delta:
        place = self._calls[index]
        self._calls[index] += 1
        return Delta(tool_calls=[msgspec.structs.replace(tool_call_reply(call), index=place)])


class TextChunks(Chunks):
    """Chunks of a text completion."""

    kind = "text_completion"

    def __init__(self, job: Job, created: int) -> None:
        super().__init__(job, created)
        self._offsets = [0] * len(job.requests)

    def _choice(self, index: int, event: Event) -> Choice | None:
        match event:
            case Text() if event.text or event.logprobs:
                return self._text(index, event)
            case Finished():
                return TextChoice(index=index, text="", finish_reason=event.reason.value)
            case _:
                return None

    def _text(self, index: int, event: Text) -> TextChoice:
        alternatives = self._job.requests[index].sampling.logprobs
        if alternatives is None or not event.logprobs:
            return TextChoice(index=index, text=event.text)
        logprobs = text_logprobs(event.logprobs, self._offsets[index], alternatives)
        self._offsets[index] += sum(len(token) for token in logprobs.tokens)
        return TextChoice(index=index, text=event.text, logprobs=logprobs)
