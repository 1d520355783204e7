"""Bodies of Anthropic's messages and of their token count, with every range in the type.

Accepted without effect, since they change nothing about the answer: `cache_control` wherever it stands (every prefix is
cached), `service_tier`, `speed`, `inference_geo`, `diagnostics`, `metadata` but for `user_id`, betas, in tools
`defer_loading`, `eager_input_streaming` and `allowed_callers`, every field that is not named here, and null for
anything optional. `context_management` is answered with an empty list of applied edits, `thinking.budget_tokens` and
`output_config.task_budget` with a warning, as are `citations` of a document.

Refused, since ignoring them would change the answer: tools that carry a `type` of Anthropic's own, images, documents
that are no text, `container`, `mcp_servers`, `thread` (a conversation that the service keeps), `compaction` but where
tokens are counted, and any kind of content block that is not named here.

Beside Anthropic's own fields: those of `api.extras`, `min_p`, `repetition_penalty`, `seed` and `chat_template_kwargs`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omlx_daemon.api.extras import Extras

MAX_COUNT = 2**31 - 1
MAX_SEED = 2**63 - 1
MAX_STOPS = 64
MAX_MESSAGES = 100_000

Name = Annotated[str, Meta(min_length=1, max_length=512)]
ToolName = Annotated[str, Meta(min_length=1, max_length=200)]
Share = Annotated[float, Meta(ge=0, le=1)]
StopText = Annotated[str, Meta(min_length=1, max_length=4096)]
Empty = Annotated[list[Any], Meta(max_length=0)]
Display = Literal["summarized", "omitted"]


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    pass


class _Typed(_Value, frozen=True, kw_only=True, tag_field="type"):
    pass


class TextBlock(_Typed, frozen=True, kw_only=True, tag="text"):
    """Text."""

    text: str


class ImageBlock(_Typed, frozen=True, kw_only=True, tag="image"):
    """An image, which no model can see yet."""

    source: dict[str, Any]


class TextSource(_Typed, frozen=True, kw_only=True, tag="text"):
    """A document as plain text."""

    data: str
    media_type: Literal["text/plain"]


class ContentSource(_Typed, frozen=True, kw_only=True, tag="content"):
    """A document as text or as blocks of it."""

    content: str | list[TextBlock | ImageBlock]


class Base64Source(_Typed, frozen=True, kw_only=True, tag="base64"):
    """A document that only a model with vision could read."""


class UrlSource(_Typed, frozen=True, kw_only=True, tag="url"):
    """A document that would have to be fetched."""


class FileSource(_Typed, frozen=True, kw_only=True, tag="file"):
    """A document that the service would keep."""


class Citations(_Value, frozen=True, kw_only=True):
    """Whether the answer is to cite from a document."""

    enabled: bool | None = None


class DocumentBlock(_Typed, frozen=True, kw_only=True, tag="document"):
    """A document, of which models read text alone."""

    source: TextSource | ContentSource | Base64Source | UrlSource | FileSource
    title: str | None = None
    context: str | None = None
    citations: Citations | None = None


class ThinkingBlock(_Typed, frozen=True, kw_only=True, tag="thinking"):
    """Reasoning of an earlier answer."""

    thinking: str
    signature: str = ""


class RedactedThinkingBlock(_Typed, frozen=True, kw_only=True, tag="redacted_thinking"):
    """Reasoning that only the service that made it can read."""

    data: str = ""


class ToolUseBlock(_Typed, frozen=True, kw_only=True, tag="tool_use"):
    """A tool call in an earlier answer."""

    id: str
    name: ToolName
    input: dict[str, Any]


Shown = TextBlock | ImageBlock | DocumentBlock


class ToolResultBlock(_Typed, frozen=True, kw_only=True, tag="tool_result"):
    """What a tool gave."""

    tool_use_id: str
    content: str | list[Shown] | None = None
    is_error: bool | None = None


Block = TextBlock | ImageBlock | DocumentBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock | ToolResultBlock


class InputMessage(_Value, frozen=True, kw_only=True):
    """One turn of the conversation."""

    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class ClientTool(_Value, frozen=True, kw_only=True):
    """A tool of the client's."""

    name: ToolName
    type: Annotated[str, Meta(extra_json_schema={"const": "custom"})] | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    input_examples: list[dict[str, Any]] | None = None


class AutoChoice(_Typed, frozen=True, kw_only=True, tag="auto"):
    """The model decides."""

    disable_parallel_tool_use: bool | None = None


class AnyChoice(_Typed, frozen=True, kw_only=True, tag="any"):
    """Some tool must be called."""

    disable_parallel_tool_use: bool | None = None


class NamedChoice(_Typed, frozen=True, kw_only=True, tag="tool"):
    """This tool must be called."""

    name: ToolName
    disable_parallel_tool_use: bool | None = None


class NoChoice(_Typed, frozen=True, kw_only=True, tag="none"):
    """No tool may be called."""


Choice = AutoChoice | AnyChoice | NamedChoice | NoChoice


class ThinkingEnabled(_Typed, frozen=True, kw_only=True, tag="enabled"):
    """The model reasons before it answers."""

    budget_tokens: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None = None
    display: Display | None = None


class ThinkingAdaptive(_Typed, frozen=True, kw_only=True, tag="adaptive"):
    """The model reasons as far as it sees fit."""

    display: Display | None = None


class ThinkingDisabled(_Typed, frozen=True, kw_only=True, tag="disabled"):
    """The model answers at once."""


Thinking = ThinkingEnabled | ThinkingAdaptive | ThinkingDisabled


class JsonFormat(_Value, frozen=True, kw_only=True):
    """The schema that the answer must follow."""

    schema: dict[str, Any]
    type: Literal["json_schema"] = "json_schema"


class OutputConfig(_Value, frozen=True, kw_only=True):
    """What the answer is to be like."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None
    task_budget: dict[str, Any] | None = None


class SystemText(_Value, frozen=True, kw_only=True):
    """A part of the system text."""

    type: Literal["text"]
    text: str


class Metadata(_Value, frozen=True, kw_only=True):
    """On whose behalf the request is made."""

    user_id: str | None = None


class PromptBody(Extras, frozen=True, kw_only=True):
    """What both routes share: all that makes the prompt."""

    model: Name
    messages: Annotated[list[InputMessage], Meta(min_length=1, max_length=MAX_MESSAGES)]
    system: str | list[SystemText] | None = None
    tools: list[ClientTool] | None = None
    tool_choice: Choice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: JsonFormat | None = None
    metadata: Metadata | None = None
    chat_template_kwargs: dict[str, bool | int | float | str | None] | None = None
    mcp_servers: Empty | None = None
    thread: None = None


class CountTokensBody(PromptBody, frozen=True, kw_only=True):
    """Body of `POST /v1/messages/count_tokens`."""


class MessagesBody(PromptBody, frozen=True, kw_only=True):
    """Body of `POST /v1/messages`."""

    max_tokens: Annotated[int, Meta(ge=0, le=MAX_COUNT)]
    """0 computes the prompt and keeps it, without an answer."""
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Meta(ge=0, le=MAX_COUNT)] | None = None
    min_p: Share | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    seed: Annotated[int, Meta(ge=-MAX_SEED, le=MAX_SEED)] | None = None
    stop_sequences: Annotated[list[StopText], Meta(max_length=MAX_STOPS)] | None = None
    context_management: dict[str, Any] | None = None
    container: None = None
    compaction: None = None


NOT_SUPPORTED = frozenset({"compaction", "container", "mcp_servers", "thread"})
"""Fields whose type admits only what changes nothing."""
