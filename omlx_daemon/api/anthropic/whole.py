"""Events of one sequence gathered into a whole message."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from omlx_daemon.api.anthropic.blocks import Blocks
from omlx_daemon.api.anthropic.convert import Job
from omlx_daemon.api.anthropic.replies import (
    AnthropicMessage,
    BlockDelta,
    BlockEvent,
    BlockReply,
    BlockStart,
    ContextManagement,
    Ending,
    InputDelta,
    SignatureDelta,
    StopReason,
    TextDelta,
    TextReply,
    ThinkingDelta,
    ThinkingReply,
    ToolUseReply,
)
from omlx_daemon.api.anthropic.usage import usage_reply
from omlx_daemon.core.events import Event, Finished, FinishReason


class Gathering:
    """A message so far."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._blocks = Blocks(omitted=job.omits_thinking)
        self._told: list[BlockEvent] = []

    def add(self, event: Event) -> None:
        """Take in one event; those that say nothing about the answer are skipped."""
        self._told += self._blocks.add(event)

    def message(self, end: Finished) -> AnthropicMessage:
        """Return the whole message, which ended with `end`."""
        self._told += self._blocks.end()
        ended = ending(self._job, end, self._blocks)
        return AnthropicMessage(
            id=self._job.id,
            model=self._job.model,
            content=_content(self._told),
            stop_reason=ended.stop_reason,
            stop_sequence=ended.stop_sequence,
            usage=usage_reply(end.usage, self._job.scale),
            context_management=ContextManagement() if self._job.manages_context else UNSET,
            warnings=ended.warnings,
        )


def ending(job: Job, end: Finished, blocks: Blocks) -> Ending:
    """Return why a message ended, and what went wrong without harm to it."""
    warnings = [*job.warnings, *end.warnings, *blocks.warnings]
    return Ending(
        stop_reason=_stop_reason(job, end, blocks),
        stop_sequence=end.stop_text or None,
        warnings=warnings or UNSET,
    )


def _stop_reason(job: Job, end: Finished, blocks: Blocks) -> StopReason:
    if end.reason is FinishReason.LENGTH:
        asked = job.request.sampling.max_tokens
        is_cut = asked is not None and end.usage.completion_tokens < asked
        return "model_context_window_exceeded" if is_cut else "max_tokens"
    if blocks.calls:
        return "tool_use"
    return "stop_sequence" if end.stop_text else "end_turn"


def _content(told: list[BlockEvent]) -> list[BlockReply]:
    starts = [event.content_block for event in told if isinstance(event, BlockStart)]
    return [
        _filled(block, [event.delta for event in told if isinstance(event, BlockDelta) and event.index == index])
        for index, block in enumerate(starts)
    ]


def _filled(block: BlockReply, deltas: list[object]) -> BlockReply:
    match block:
        case TextReply():
            return TextReply(text="".join(delta.text for delta in deltas if isinstance(delta, TextDelta)))
        case ThinkingReply():
            return ThinkingReply(
                thinking="".join(delta.thinking for delta in deltas if isinstance(delta, ThinkingDelta)),
                signature="".join(delta.signature for delta in deltas if isinstance(delta, SignatureDelta)),
            )
        case ToolUseReply():
            text = "".join(delta.partial_json for delta in deltas if isinstance(delta, InputDelta))
            return msgspec.structs.replace(block, input=msgspec.json.decode(text))
