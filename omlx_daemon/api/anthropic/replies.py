"""What the Anthropic routes answer: whole messages, and the events of a stream."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from omlx_daemon.api.reuse import Missed

StopReason = Literal["end_turn", "max_tokens", "model_context_window_exceeded", "stop_sequence", "tool_use"]


class _Reply(msgspec.Struct, frozen=True, kw_only=True):
    pass


class _Typed(_Reply, frozen=True, kw_only=True, tag_field="type"):
    pass


class CacheCreation(_Reply, frozen=True, kw_only=True):
    """Tokens that were stored, by how long Anthropic would keep them; here they stay until their room is needed."""

    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class OutputDetails(_Reply, frozen=True, kw_only=True):
    """Of the answer's tokens, what they were."""

    thinking_tokens: int = 0


class TrueUsage(_Reply, frozen=True, kw_only=True):
    """The model's own tokens, whatever window the client believes in; `input_tokens` is the whole prompt."""

    input_tokens: int
    output_tokens: int
    cached_hot_tokens: int = 0
    cached_cold_tokens: int = 0
    stored_tokens: int = 0
    miss: Missed | UnsetType = UNSET
    """Why more was computed than had to be; left out where nothing was missed."""


class AnthropicUsage(_Reply, frozen=True, kw_only=True):
    """Tokens of a request; the three kinds of input are the prompt together."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    cache_creation: CacheCreation
    output_tokens_details: OutputDetails
    omlx: TrueUsage
    service_tier: Literal["standard"] = "standard"


class TextReply(_Typed, frozen=True, kw_only=True, tag="text"):
    """Text."""

    text: str


class ThinkingReply(_Typed, frozen=True, kw_only=True, tag="thinking"):
    """The model's reasoning."""

    thinking: str
    signature: str


class ToolUseReply(_Typed, frozen=True, kw_only=True, tag="tool_use"):
    """A call of a tool."""

    id: str
    name: str
    input: dict[str, Any]


BlockReply = TextReply | ThinkingReply | ToolUseReply


class ContextManagement(_Reply, frozen=True, kw_only=True):
    """Which of the edits that a client allowed were made to its context: none."""

    applied_edits: list[dict[str, Any]] = []


class AnthropicMessage(_Typed, frozen=True, kw_only=True, tag="message"):
    """A whole message."""

    id: str
    model: str
    content: list[BlockReply]
    usage: AnthropicUsage
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    role: Literal["assistant"] = "assistant"
    context_management: ContextManagement | UnsetType = UNSET
    warnings: list[str] | UnsetType = UNSET
    """What went wrong without harm to the answer."""


class CountReply(_Reply, frozen=True, kw_only=True):
    """How long a prompt is."""

    input_tokens: int


class TextDelta(_Typed, frozen=True, kw_only=True, tag="text_delta"):
    """More text."""

    text: str


class ThinkingDelta(_Typed, frozen=True, kw_only=True, tag="thinking_delta"):
    """More reasoning."""

    thinking: str


class SignatureDelta(_Typed, frozen=True, kw_only=True, tag="signature_delta"):
    """The signature of the reasoning, which is complete."""

    signature: str


class InputDelta(_Typed, frozen=True, kw_only=True, tag="input_json_delta"):
    """More of the JSON text of a call's input."""

    partial_json: str


Delta = TextDelta | ThinkingDelta | SignatureDelta | InputDelta


class MessageStart(_Typed, frozen=True, kw_only=True, tag="message_start"):
    """A message without content."""

    message: AnthropicMessage


class BlockStart(_Typed, frozen=True, kw_only=True, tag="content_block_start"):
    """A block without content."""

    index: int
    content_block: BlockReply


class BlockDelta(_Typed, frozen=True, kw_only=True, tag="content_block_delta"):
    """More of a block."""

    index: int
    delta: Delta


class BlockStop(_Typed, frozen=True, kw_only=True, tag="content_block_stop"):
    """A block is complete."""

    index: int


BlockEvent = BlockStart | BlockDelta | BlockStop


class Ending(_Reply, frozen=True, kw_only=True):
    """Why a message ended."""

    stop_reason: StopReason
    stop_sequence: str | None = None
    warnings: list[str] | UnsetType = UNSET


class MessageDelta(_Typed, frozen=True, kw_only=True, tag="message_delta"):
    """What is known at a message's end; the counts are those of all of it."""

    delta: Ending
    usage: AnthropicUsage
    context_management: ContextManagement | UnsetType = UNSET


class MessageStop(_Typed, frozen=True, kw_only=True, tag="message_stop"):
    """The end of a stream."""


class Ping(_Typed, frozen=True, kw_only=True, tag="ping"):
    """A sign of life."""


StreamEvent = MessageStart | BlockEvent | MessageDelta | MessageStop | Ping


class ErrorDetail(_Reply, frozen=True, kw_only=True):
    """One error."""

    type: str
    message: str


class AnthropicErrorReply(_Typed, frozen=True, kw_only=True, tag="error"):
    """Anthropic's envelope of an error."""

    error: ErrorDetail
    request_id: str | None = None


class ModelInfoReply(_Typed, frozen=True, kw_only=True, tag="model"):
    """One model, as Anthropic describes them."""

    id: str
    display_name: str
    created_at: str
    max_input_tokens: int | None = None
    max_tokens: int | None = None
    lifecycle: Literal["active"] = "active"


class ModelPage(_Reply, frozen=True, kw_only=True):
    """Some of the models, in the order of their names."""

    data: list[ModelInfoReply]
    has_more: bool
    first_id: str | None
    last_id: str | None
