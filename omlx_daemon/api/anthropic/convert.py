"""Bodies to generation requests."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from omlx_daemon.api.anthropic import schema
from omlx_daemon.api.anthropic.documents import first_cited
from omlx_daemon.api.anthropic.prompt import chat_prompt
from omlx_daemon.api.anthropic.schema import MAX_SEED, MessagesBody, PromptBody, ThinkingAdaptive, ThinkingEnabled
from omlx_daemon.api.anthropic.usage import Scale
from omlx_daemon.api.caller import MAX_NAME, Caller
from omlx_daemon.api.extras import invalid, terms
from omlx_daemon.api.trace import PREFIX as REQUEST_PREFIX
from omlx_daemon.core.models import Served
from omlx_daemon.core.requests import (
    GenerationRequest,
    ReasoningOptions,
    ResponseFormat,
    Sampling,
    ToolChoice,
    ToolMode,
)

PREFIX = "msg_"
_NO_BUDGET = "thinking.budget_tokens is not enforced; max_tokens bounds reasoning and answer together"
_NO_TASK_BUDGET = "output_config.task_budget is not enforced, and the model is not told of it"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request's message. `model` is the name that it was asked for under."""

    id: str
    model: str
    request: GenerationRequest
    scale: Scale
    stream: bool = False
    omits_thinking: bool = False
    manages_context: bool = False
    warnings: tuple[str, ...] = ()


def message_job(body: MessagesBody, caller: Caller, served: Served) -> Job:
    """Return the generation of a message. Raises OmlxError(INVALID_REQUEST)."""
    request = msgspec.structs.replace(_request(body, caller, served), sampling=_sampling(body))
    if body.max_tokens == 0:
        request = msgspec.structs.replace(request, cache=msgspec.structs.replace(request.cache, warm=True))
    thinking = body.thinking
    return Job(
        id=PREFIX + caller.request_id.removeprefix(REQUEST_PREFIX),
        model=body.model,
        request=request,
        scale=_scale(served, caller),
        stream=bool(body.stream),
        omits_thinking=isinstance(thinking, ThinkingEnabled | ThinkingAdaptive) and thinking.display == "omitted",
        manages_context=body.context_management is not None,
        warnings=tuple(_warnings(body)),
    )


def _warnings(body: MessagesBody) -> Iterator[str]:
    """Yield what the body asks for and does not get, where it gets an answer all the same."""
    if isinstance(body.thinking, ThinkingEnabled) and body.thinking.budget_tokens is not None:
        yield _NO_BUDGET
    if body.output_config is not None and body.output_config.task_budget is not None:
        yield _NO_TASK_BUDGET
    if field := first_cited(body.messages):
        yield f"{field} is not honoured; the model reads its documents and cites nothing"


def count_job(body: PromptBody, caller: Caller, served: Served) -> Job:
    """Return the count of a prompt's tokens. Raises OmlxError(INVALID_REQUEST)."""
    request = msgspec.structs.replace(_request(body, caller, served), count_only=True)
    return Job(id=request.id, model=body.model, request=request, scale=_scale(served, caller))


def _request(body: PromptBody, caller: Caller, served: Served) -> GenerationRequest:
    agreed = terms(body, caller)
    return GenerationRequest(
        id=f"{caller.request_id}.0",
        model=served.name,
        prompt=chat_prompt(body),
        cache=agreed.cache,
        priority=agreed.priority,
        deadline_s=agreed.deadline_s,
        keep_alive_s=agreed.keep_alive_s,
        client=caller.name or _user(body) or caller.peer,
        tool_choice=_tool_choice(body),
        response_format=_response_format(body),
        reasoning=_reasoning(body),
    )


def _user(body: PromptBody) -> str:
    """Return on whose behalf the request is made; of a long name its end, where agents put their session."""
    user = (body.metadata.user_id if body.metadata else None) or ""
    return "".join(letter for letter in user if letter.isprintable())[-MAX_NAME:]


def _sampling(body: MessagesBody) -> Sampling:
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p or None,
        top_k=1 if body.top_p == 0 else body.top_k,
        min_p=body.min_p,
        repetition_penalty=body.repetition_penalty,
        seed=None if body.seed is None else body.seed & MAX_SEED,
        stop=tuple(body.stop_sequences or ()),
        max_tokens=body.max_tokens or None,
    )


def _tool_choice(body: PromptBody) -> ToolChoice:
    choice = body.tool_choice
    if choice is None:
        return ToolChoice()
    if not body.tools and not isinstance(choice, schema.NoChoice):
        raise invalid("tool_choice", "there are no tools to choose from")
    match choice:
        case schema.AutoChoice():
            return ToolChoice(parallel=not choice.disable_parallel_tool_use)
        case schema.AnyChoice():
            return ToolChoice(mode=ToolMode.REQUIRED, parallel=not choice.disable_parallel_tool_use)
        case schema.NamedChoice():
            if choice.name not in {tool.name for tool in body.tools or ()}:
                raise invalid("tool_choice.name", f"no tool is called {choice.name!r}")
            parallel = not choice.disable_parallel_tool_use
            return ToolChoice(mode=ToolMode.NAMED, name=choice.name, parallel=parallel)
        case _:
            return ToolChoice(mode=ToolMode.NONE)


def _response_format(body: PromptBody) -> ResponseFormat | None:
    asked = (body.output_config.format if body.output_config else None) or body.output_format
    return ResponseFormat(schema=asked.schema) if asked else None


def _reasoning(body: PromptBody) -> ReasoningOptions:
    """Return what is wanted of reasoning: none where it is not asked for, as Anthropic's clients expect."""
    effort = (body.output_config.effort if body.output_config else None) or ""
    enabled = body.thinking is not None and not isinstance(body.thinking, schema.ThinkingDisabled)
    return ReasoningOptions(enabled=enabled, effort=effort)


def _scale(served: Served, caller: Caller) -> Scale:
    window = served.client_window_tokens if caller.window_tokens is None else caller.window_tokens
    return Scale(window_tokens=window, context_tokens=served.context_tokens)
