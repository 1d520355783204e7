"""Bodies of OpenAI's chat and text completions, with every range in the type.

Accepted without effect, since they change nothing about the answer: `user` (the client's name where no key and no
header gives one), `metadata`, `service_tier`, `store: false`, `safety_identifier`, `prompt_cache_key`,
`prompt_cache_retention`, `prompt_cache_options`, `stream_options.include_obfuscation`, every field that is not named
here (clients of local servers send their own), and null for anything optional. Accepted with a warning: `verbosity`.

Refused as not supported yet, since ignoring them would change the answer: tools other than functions, `modalities`
other than text, `audio`, `prediction`, `web_search_options`, `moderation`, `prompt_cache_options.prewarm`, `suffix`,
`best_of` other than `n`, `store: true`, `echo` with `logprobs`, content parts other than text and refusals, and what
other servers call `response_format`: `guided_json` and its like, `structured_outputs`, `grammar`. Refused with a word
on what to send instead: `functions`, `function_call`, and messages that use them.

Beside OpenAI's own fields: `top_k`, `min_p`, `repetition_penalty`, `ignore_eos`, `priority`, `deadline_s` (seconds,
also spelled `timeout`), `keep_alive` (idle time of the model, as Ollama spells it), `chat_template_kwargs`, in
assistant messages `reasoning_content` (also spelled `reasoning`), `cache_salt` (requests of different salts share no
cached prefix) and `cache_store` (false keeps nothing of this request).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omlx_daemon.api.extras import FOREIGN, Foreign, PromptCacheOptions, Verbosity

MAX_COUNT = 2**31 - 1
MAX_SEED = 2**63 - 1
MAX_CHOICES = 128
MAX_STOPS = 16
MAX_ALTERNATIVES = 20
MAX_TOOLS = 1024

Name = Annotated[str, Meta(min_length=1, max_length=512)]
Count = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Choices = Annotated[int, Meta(ge=1, le=MAX_CHOICES)]
Share = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
StopText = Annotated[str, Meta(min_length=1, max_length=4096)]
TokenId = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Bias = Annotated[float, Meta(ge=-100, le=100)]
BiasKey = Annotated[str, Meta(pattern="^[0-9]{1,9}$")]
Replaced = Annotated[list[Any], Meta(extra_json_schema={"maxItems": 0})]
Unnamed = Annotated[dict[str, Any], Meta(extra_json_schema={"not": {}})]
ToolName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:/-]{1,128}$")]
NotStored = Annotated[bool, Meta(extra_json_schema={"const": False})]
Words = Annotated[str, Meta(extra_json_schema={"maxLength": 0})]


Role = Literal["system", "developer", "user", "assistant", "tool"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class ContentPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message's content; only text is understood, an answer's refusal included."""

    type: Annotated[str, Meta(extra_json_schema={"enum": ["text", "refusal"]})]
    text: str | None = None
    refusal: str | None = None


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
    refusal: str | None = None
    name: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCallPart] | None = None
    tool_call_id: str | None = None
    audio: None = None
    function_call: None = None


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream reports beside the answer."""

    include_usage: bool | None = None


class Function(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A function that an answer may call; `parameters` is a JSON schema, which `strict` has enforced."""

    name: ToolName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that an answer may call."""

    function: Function
    type: Literal["function"] = "function"


class FunctionName(msgspec.Struct, frozen=True, kw_only=True):
    """The function that an answer has to call."""

    name: ToolName


class NamedTool(msgspec.Struct, frozen=True, kw_only=True):
    """The tool that an answer has to call."""

    function: FunctionName
    type: Literal["function"] = "function"


class TextFormat(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """An answer that is text."""


class ObjectFormat(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="json_object"):
    """An answer that is any JSON object."""


class NamedSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON schema; `strict: false` has nothing enforced but that the answer is JSON."""

    name: Name
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class SchemaFormat(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="json_schema"):
    """An answer that is JSON as a schema has it."""

    json_schema: NamedSchema


class Body(Foreign, frozen=True, kw_only=True):
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
    response_format: TextFormat | ObjectFormat | SchemaFormat | None = None
    user: str | None = None


class ChatCompletionBody(Body, frozen=True, kw_only=True):
    """Body of `POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MAX_ALTERNATIVES)] | None = None
    chat_template_kwargs: dict[str, bool | int | float | str | None] | None = None
    reasoning_effort: Effort | None = None
    tools: Annotated[list[Tool], Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    functions: Replaced | None = None
    function_call: Literal["none", "auto"] | Unnamed | None = None
    verbosity: Verbosity | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    modalities: list[Literal["text"]] | None = None
    audio: None = None
    prediction: None = None
    web_search_options: None = None
    moderation: None = None
    store: NotStored | None = None


class CompletionBody(Body, frozen=True, kw_only=True):
    """Body of `POST /v1/completions`: one prompt or several, each as text or as token ids."""

    prompt: str | Annotated[list[str | TokenId | list[TokenId]], Meta(min_length=1)]
    logprobs: Annotated[int, Meta(ge=0, le=MAX_ALTERNATIVES)] | None = None
    echo: bool | None = None
    best_of: Choices | None = None
    suffix: Words | None = None


NOT_SUPPORTED_YET = FOREIGN | {"modalities", "audio", "prediction", "web_search_options", "moderation"}
"""Fields whose type admits only what changes nothing."""
