"""What the OpenAI routes answer: whole replies and stream chunks."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from omlx_cli.contract.api import Capabilities
from omlx_daemon.api.reuse import Reuse

FinishReason = Literal["stop", "length", "tool_calls"]


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every reply."""


class PromptDetails(Reply, frozen=True, kw_only=True):
    """Of the prompt's tokens, how many were not computed again."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0
    """Those that were computed and are kept for the next prompt."""
    audio_tokens: int = 0


class CompletionDetails(Reply, frozen=True, kw_only=True):
    """Of the answer's tokens, what they were."""

    reasoning_tokens: int = 0
    audio_tokens: int = 0
    accepted_prediction_tokens: int = 0
    rejected_prediction_tokens: int = 0


class UsageReply(Reply, frozen=True, kw_only=True):
    """Tokens of a whole request."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails
    omlx: Reuse


class AlternativeReply(Reply, frozen=True, kw_only=True):
    """A token that could have been chosen; `bytes` are its UTF-8 bytes."""

    token: str
    logprob: float
    bytes: list[int] | None


class ChosenReply(AlternativeReply, frozen=True, kw_only=True):
    """The token that was chosen."""

    top_logprobs: list[AlternativeReply]


class ChatLogprobs(Reply, frozen=True, kw_only=True):
    """Log probabilities of a chat answer's tokens."""

    content: list[ChosenReply]
    refusal: None = None


class FunctionReply(Reply, frozen=True, kw_only=True):
    """The function to call, its arguments as JSON text."""

    name: str
    arguments: str


class ToolCallReply(Reply, frozen=True, kw_only=True):
    """A tool call of the answer."""

    id: str
    function: FunctionReply
    type: Literal["function"] = "function"


class FunctionDelta(Reply, frozen=True, kw_only=True):
    """What a chunk adds to a call's function; the name stands in the call's first chunk."""

    name: str | UnsetType = UNSET
    arguments: str = ""


class ToolCallDelta(Reply, frozen=True, kw_only=True):
    """What a chunk adds to the answer's call number `index`; the id stands in the call's first chunk."""

    index: int
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET
    function: FunctionDelta


class MessageReply(Reply, frozen=True, kw_only=True):
    """The answer."""

    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallReply] | UnsetType = UNSET
    warning: str | UnsetType = UNSET
    """What went wrong without harm to the answer, such as a tool call that could not be read and is content."""


class ChatChoice(Reply, frozen=True, kw_only=True):
    """One answer of several."""

    index: int
    message: MessageReply
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ChatCompletion(Reply, frozen=True, kw_only=True):
    """A whole chat reply."""

    id: str
    created: int
    model: str
    choices: list[ChatChoice]
    usage: UsageReply
    object: Literal["chat.completion"] = "chat.completion"


class Delta(Reply, frozen=True, kw_only=True, omit_defaults=True):
    """What a chunk adds to the answer."""

    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET
    warning: str | UnsetType = UNSET


class ChatChunkChoice(Reply, frozen=True, kw_only=True):
    """What a chunk adds to one answer."""

    index: int
    delta: Delta
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason | None = None


class Chunk(Reply, frozen=True, kw_only=True):
    """One chunk of either dialect's stream; `usage` stands only where the client asked for it."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Any]
    usage: UsageReply | UnsetType | None = UNSET


class TextLogprobs(Reply, frozen=True, kw_only=True):
    """Log probabilities in the older form: four lists of one length."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]


class TextChoice(Reply, frozen=True, kw_only=True):
    """One text, or what a chunk adds to it."""

    index: int
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: FinishReason | None = None


class Completion(Reply, frozen=True, kw_only=True):
    """A whole text reply."""

    id: str
    created: int
    model: str
    choices: list[TextChoice]
    usage: UsageReply
    object: Literal["text_completion"] = "text_completion"


class ModelReply(Reply, frozen=True, kw_only=True):
    """One model."""

    id: str
    created: int
    owned_by: str
    object: Literal["model"] = "model"
    context_length: int | UnsetType = UNSET
    """Longest prompt plus answer in tokens, where it is known."""
    max_model_len: int | UnsetType = UNSET
    """The same, by another name that clients look for."""
    capabilities: Capabilities
    root: str | UnsetType = UNSET
    """The model's own name, where `id` is an alias."""


class ModelList(Reply, frozen=True, kw_only=True):
    """Every model."""

    data: list[ModelReply]
    object: Literal["list"] = "list"
