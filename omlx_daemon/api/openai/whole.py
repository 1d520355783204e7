"""Events of several sequences gathered into one whole reply."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from msgspec import UNSET, UnsetType

from omlx_daemon.api.openai.convert import Job
from omlx_daemon.api.openai.logprobs import chat_logprobs, text_logprobs
from omlx_daemon.api.openai.replies import (
    ChatChoice,
    ChatCompletion,
    Completion,
    FunctionReply,
    MessageReply,
    TextChoice,
    ToolCallReply,
)
from omlx_daemon.api.openai.usage import usage_reply
from omlx_daemon.core.events import Event, Finished, FinishReason, Reasoning, Text, TokenLogprob, ToolCall, Usage


@dataclass(slots=True)
class Gathered:
    """One sequence so far."""

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    calls: dict[int, ToolCall] = field(default_factory=dict)
    """The calls so far, by their index."""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    reason: FinishReason = FinishReason.STOP
    usage: Usage = field(default_factory=Usage)
    warnings: tuple[str, ...] = ()

    def add(self, event: Event) -> None:
        """Take in one event; those that say nothing about the answer are skipped."""
        match event:
            case Text():
                self.text.append(event.text)
                self.logprobs.extend(event.logprobs)
            case Reasoning():
                self.reasoning.append(event.text)
            case ToolCall(void=True):
                self.calls.pop(event.index, None)
            case ToolCall():
                self._add_call(event)
            case Finished():
                self.reason, self.usage, self.warnings = event.reason, event.usage, event.warnings
            case _:
                pass

    def _add_call(self, piece: ToolCall) -> None:
        known = self.calls.get(piece.index, piece)
        arguments = piece.arguments if known is piece else known.arguments + piece.arguments
        self.calls[piece.index] = msgspec.structs.replace(known, arguments=arguments)


def warning(warnings: tuple[str, ...]) -> str | UnsetType:
    """Return `warnings` as a reply carries them."""
    return "; ".join(warnings) or UNSET


def chat_completion(job: Job, created: int, gathered: list[Gathered]) -> ChatCompletion:
    """Return the chat reply; `created` is in seconds since the epoch."""
    wanted = job.requests[0].sampling.logprobs is not None
    return ChatCompletion(
        id=job.id,
        created=created,
        model=job.model,
        choices=[
            ChatChoice(
                index=index,
                message=_message(one, job.warnings),
                logprobs=chat_logprobs(one.logprobs) if wanted else None,
                finish_reason=one.reason.value,
            )
            for index, one in enumerate(gathered)
        ],
        usage=usage_reply([one.usage for one in gathered], job.choices),
    )


def completion(job: Job, created: int, gathered: list[Gathered]) -> Completion:
    """Return the text reply; `created` is in seconds since the epoch."""
    alternatives = job.requests[0].sampling.logprobs
    return Completion(
        id=job.id,
        created=created,
        model=job.model,
        choices=[
            TextChoice(
                index=index,
                text="".join(one.text),
                logprobs=None if alternatives is None else text_logprobs(one.logprobs, 0, alternatives),
                finish_reason=one.reason.value,
            )
            for index, one in enumerate(gathered)
        ],
        usage=usage_reply([one.usage for one in gathered], job.choices),
    )


def _message(one: Gathered, warnings: tuple[str, ...]) -> MessageReply:
    text = "".join(one.text)
    reasoning = "".join(one.reasoning)
    return MessageReply(
        content=None if one.calls and not text else text,
        reasoning_content=reasoning or UNSET,
        tool_calls=[_call(call) for call in one.calls.values()] or UNSET,
        warning=warning((*warnings, *one.warnings)),
    )


def _call(call: ToolCall) -> ToolCallReply:
    return ToolCallReply(id=call.id, function=FunctionReply(name=call.name, arguments=call.arguments or "{}"))
