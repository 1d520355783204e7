"""What this dialect answers with: items, the response that holds them, and the events of a stream."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from omlx_daemon.api.openai.replies import ChosenReply

Status = Literal["in_progress", "completed", "incomplete", "failed"]


class _Reply(msgspec.Struct, frozen=True, kw_only=True):
    pass


class OutputText(_Reply, frozen=True, kw_only=True, tag_field="type", tag="output_text"):
    """Text of a message."""

    text: str
    annotations: list[Any] = []
    logprobs: list[ChosenReply] = []


class ReasoningText(_Reply, frozen=True, kw_only=True, tag_field="type", tag="reasoning_text"):
    """Text of reasoning."""

    text: str


Part = OutputText | ReasoningText


class MessageOutput(_Reply, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """What the model said."""

    id: str
    status: Status
    content: list[OutputText]
    role: Literal["assistant"] = "assistant"


class ReasoningOutput(_Reply, frozen=True, kw_only=True, tag_field="type", tag="reasoning"):
    """What the model thought. `encrypted_content` carries it for clients that keep nothing else."""

    id: str
    content: list[ReasoningText]
    summary: list[Any] = []
    status: Status | UnsetType = UNSET
    encrypted_content: str | UnsetType = UNSET


class CallOutput(_Reply, frozen=True, kw_only=True, tag_field="type", tag="function_call"):
    """A function that is to be called."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: Status
    namespace: str | UnsetType = UNSET


class CustomCallOutput(_Reply, frozen=True, kw_only=True, tag_field="type", tag="custom_tool_call"):
    """A custom tool that is to be called."""

    id: str
    call_id: str
    name: str
    input: str
    status: Status
    namespace: str | UnsetType = UNSET


Output = MessageOutput | ReasoningOutput | CallOutput | CustomCallOutput


class InputDetails(_Reply, frozen=True, kw_only=True):
    """Tokens of the prompt that were not computed again, and those that were computed and are kept."""

    cached_tokens: int
    cache_write_tokens: int


class OutputDetails(_Reply, frozen=True, kw_only=True):
    """Tokens of the answer that are reasoning."""

    reasoning_tokens: int


class ResponseUsage(_Reply, frozen=True, kw_only=True):
    """What a response cost in tokens."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


class ResponseFault(_Reply, frozen=True, kw_only=True):
    """Why a response failed."""

    code: str
    message: str


class Incomplete(_Reply, frozen=True, kw_only=True):
    """Why a response ended early."""

    reason: Literal["max_output_tokens"]


class Response(_Reply, frozen=True, kw_only=True):
    """A response, whole or as far as it is. Times are seconds since the epoch."""

    id: str
    created_at: int
    status: Status
    model: str
    output: list[Output]
    parallel_tool_calls: bool
    tool_choice: Any
    tools: list[dict[str, Any]]
    object: Literal["response"] = "response"
    background: bool = False
    completed_at: int | None = None
    error: ResponseFault | None = None
    incomplete_details: Incomplete | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    metadata: dict[str, str] = {}
    previous_response_id: str | None = None
    reasoning: dict[str, Any] | None = None
    service_tier: str = "default"
    store: bool = True
    temperature: float | None = None
    text: dict[str, Any] = {}
    top_logprobs: int = 0
    top_p: float | None = None
    truncation: str = "disabled"
    usage: ResponseUsage | None = None
    user: str | None = None
    warnings: list[str] | UnsetType = UNSET
    """What went wrong without harm to the answer."""


class ItemPage(_Reply, frozen=True, kw_only=True):
    """Some of the items that a response answers."""

    data: list[dict[str, Any]]
    has_more: bool
    first_id: str | None
    last_id: str | None
    object: Literal["list"] = "list"


class InputTokens(_Reply, frozen=True, kw_only=True):
    """How long a prompt is."""

    input_tokens: int
    object: Literal["response.input_tokens"] = "response.input_tokens"


class Deleted(_Reply, frozen=True, kw_only=True):
    """A response that is forgotten."""

    id: str
    object: Literal["response.deleted"] = "response.deleted"
    deleted: bool = True
