"""Bodies of `POST /v1/responses` and `POST /v1/responses/input_tokens`.

Accepted without effect, since they change nothing about the answer: `metadata` (given back), `user` (the client's name
where no key and no header gives one), `prompt_cache_key`, `prompt_cache_retention`, `safety_identifier`,
`prompt_cache_options`, `service_tier`, `client_metadata`, `stream_options`, `max_tool_calls` (it bounds hosted tools),
`image` (there are none), `personality`, what `include` asks of hosted tools, `reasoning.summary` (reasoning is given as
it is), and every field that is not named here. Accepted with a warning: `text.verbosity`, `reasoning.context`.

`truncation: auto` drops nothing: a prompt that is too long is refused as one. Hosted web search is left out of the
tools with a warning; other hosted tools, `background`, `conversation`, `prompt`, `context_management`, `moderation`,
`access_programs`, `reasoning.mode` other than standard, `prompt_cache_options.prewarm` and parts other than text are
refused.

Beside OpenAI's own fields: `top_k`, `min_p`, the penalties, `logit_bias`, `stop`, `seed`, `ignore_eos`,
`chat_template_kwargs` and those of `extras`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from omlx_daemon.api.extras import FOREIGN, Foreign, PromptCacheOptions, Verbosity
from omlx_daemon.api.openai.schema import MAX_STOPS, Bias, BiasKey, Effort, Penalty, StopText

MAX_COUNT = 2**31 - 1
MAX_SEED = 2**63 - 1
MAX_ALTERNATIVES = 20

Name = Annotated[str, Meta(min_length=1, max_length=512)]
Count = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Share = Annotated[float, Meta(ge=0, le=1)]
Item = dict[str, Any]
Include = Literal[
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "message.input_image.image_url",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
    "message.output_text.logprobs",
]


class Reasoning(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of the model's reasoning."""

    effort: Effort | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None
    mode: Literal["standard"] | None = None


class TextFormat(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="text"):
    """Plain text."""


class JsonObject(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="json_object"):
    """Any JSON object."""


class JsonSchema(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="json_schema"):
    """JSON of a schema."""

    schema: dict[str, Any]
    name: str = ""
    strict: bool | None = None


class TextOptions(msgspec.Struct, frozen=True, kw_only=True):
    """In which form the text is wanted."""

    format: TextFormat | JsonObject | JsonSchema | None = None
    verbosity: Verbosity | None = None


class TurnBody(Foreign, frozen=True, kw_only=True):
    """What is said of a turn beside its `input`."""

    model: Name
    instructions: str | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    stream: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Meta(ge=-1, le=MAX_COUNT)] | None = None
    min_p: Share | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[BiasKey, Bias] | None = None
    stop: StopText | Annotated[list[StopText], Meta(max_length=MAX_STOPS)] | None = None
    ignore_eos: bool | None = None
    seed: Annotated[int, Meta(ge=-MAX_SEED, le=MAX_SEED)] | None = None
    max_output_tokens: Count | None = None
    tools: list[Item] | None = None
    tool_choice: str | Item | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    text: TextOptions | None = None
    include: list[Include] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MAX_ALTERNATIVES)] | None = None
    metadata: dict[str, str] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    chat_template_kwargs: dict[str, bool | int | float | str | None] | None = None
    user: str | None = None
    background: Annotated[bool, Meta(extra_json_schema={"const": False})] | None = None
    conversation: None = None
    prompt: None = None
    prompt_cache_options: PromptCacheOptions | None = None
    context_management: None = None
    moderation: None = None
    access_programs: None = None


class ResponsesBody(TurnBody, frozen=True, kw_only=True):
    """A turn to answer: `input` alone, or after the conversation that `previous_response_id` ended."""

    input: str | list[Item]


class InputTokensBody(TurnBody, frozen=True, kw_only=True):
    """Body of `POST /v1/responses/input_tokens`: a turn whose prompt is measured."""

    input: str | list[Item] | None = None

    @property
    def turn(self) -> ResponsesBody:
        """The turn that would be answered."""
        return ResponsesBody(**{**msgspec.structs.asdict(self), "input": [] if self.input is None else self.input})


NOT_SUPPORTED = FOREIGN | {
    "background",
    "conversation",
    "prompt",
    "context_management",
    "moderation",
    "access_programs",
}
"""Fields whose type admits only what changes nothing."""
