"""Bodies of OpenAI's chat and text completions, with every range in the type.

Accepted without effect, since they change nothing about the answer: `user` (the client's name where no key and no
header gives one), `metadata`, `service_tier`, `store: false`, `parallel_tool_calls`, `safety_identifier`,
`prompt_cache_key`, `verbosity`, every field that is not named here (clients of local servers send their own), and
null for anything optional.

Refused as not supported yet, since ignoring them would change the answer: a non-empty `tools` or `functions`, a
`tool_choice` or `function_call` other than `none` and `auto`, a `response_format` other than text, `modalities`
other than text, `audio`, `prediction`, `web_search_options`, `suffix`, `best_of` other than `n`, `store: true`,
`echo` with `logprobs`, and content parts other than text.

Beside OpenAI's own fields: `top_k`, `min_p`, `repetition_penalty`, `ignore_eos`, `priority`, `deadline_s` (seconds,
also spelled `timeout`), `keep_alive` (idle time of the model, as Ollama spells it), `chat_template_kwargs`, in
assistant messages `reasoning_content`, `cache_salt` (requests of different salts share no cached prefix) and
`cache_store` (false keeps nothing of this request).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omlx_daemon.api.extras import Extras

MAX_COUNT = 2**31 - 1
MAX_SEED = 2**63 - 1
MAX_CHOICES = 128
MAX_STOPS = 16
MAX_ALTERNATIVES = 20

Name = Annotated[str, Meta(min_length=1, max_length=512)]
Count = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Choices = Annotated[int, Meta(ge=1, le=MAX_CHOICES)]
Share = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
StopText = Annotated[str, Meta(min_length=1, max_length=4096)]
TokenId = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Bias = Annotated[float, Meta(ge=-100, le=100)]
BiasKey = Annotated[str, Meta(pattern="^[0-9]{1,9}$")]
Empty = Annotated[list[Any], Meta(max_length=0)]
NotStored = Annotated[bool, Meta(extra_json_schema={"const": False})]
Words = Annotated[str, Meta(extra_json_schema={"maxLength": 0})]


Role = Literal["system", "developer", "user", "assistant", "tool"]
Choosing = Literal["none", "auto"]


class ContentPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message's content; only text is understood."""

    type: Annotated[str, Meta(extra_json_schema={"const": "text"})]
    text: str | None = None


class FunctionCall(msgspec.Struct, frozen=True, kw_only=True):
    """The function that an earlier answer called."""

    name: Name
    arguments: str


class ToolCallPart(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call in an earlier answer."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class ChatMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of the conversation."""

    role: Role
    content: str | list[ContentPart] | None = None
    name: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallPart] | None = None
    tool_call_id: str | None = None
    audio: None = None
    function_call: None = None


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream reports beside the answer."""

    include_usage: bool | None = None


class TextFormat(msgspec.Struct, frozen=True, kw_only=True):
    """The only answer format so far."""

    type: Literal["text"]


class Body(Extras, frozen=True, kw_only=True):
    """What both dialects share."""

    model: Name
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Meta(ge=-1, le=MAX_COUNT)] | None = None
    min_p: Share | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Annotated[int, Meta(ge=-MAX_SEED, le=MAX_SEED)] | None = None
    logit_bias: dict[BiasKey, Bias] | None = None
    max_tokens: Count | None = None
    stop: StopText | Annotated[list[StopText], Meta(max_length=MAX_STOPS)] | None = None
    n: Choices | None = None
    ignore_eos: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None


class ChatCompletionBody(Body, frozen=True, kw_only=True):
    """Body of `POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MAX_ALTERNATIVES)] | None = None
    chat_template_kwargs: dict[str, bool | int | float | str | None] | None = None
    reasoning_effort: str | None = None
    tools: Empty | None = None
    tool_choice: Choosing | None = None
    functions: Empty | None = None
    function_call: Choosing | None = None
    response_format: TextFormat | None = None
    modalities: list[Literal["text"]] | None = None
    audio: None = None
    prediction: None = None
    web_search_options: None = None
    store: NotStored | None = None


class CompletionBody(Body, frozen=True, kw_only=True):
    """Body of `POST /v1/completions`: one prompt or several, each as text or as token ids."""

    prompt: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]
    logprobs: Annotated[int, Meta(ge=0, le=MAX_ALTERNATIVES)] | None = None
    echo: bool | None = None
    best_of: Choices | None = None
    suffix: Words | None = None


NOT_SUPPORTED_YET = frozenset(
    {
        "tools",
        "tool_choice",
        "functions",
        "function_call",
        "response_format",
        "modalities",
        "audio",
        "prediction",
        "web_search_options",
    }
)
"""Fields whose type admits only what changes nothing."""
