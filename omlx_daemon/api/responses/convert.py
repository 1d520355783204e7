"""A body to the generation of its response."""

from __future__ import annotations

from itertools import chain
from typing import Any

import msgspec

from omlx_cli.contract.errors import ErrorBody
from omlx_cli.contract.model_options import is_template_kwarg
from omlx_daemon.api.caller import Caller
from omlx_daemon.api.extras import cache_options, invalid, terms, verbosity_warnings
from omlx_daemon.api.responses.items import items_of
from omlx_daemon.api.responses.prompt import messages_of
from omlx_daemon.api.responses.schema import MAX_SEED, Item, JsonObject, JsonSchema, ResponsesBody
from omlx_daemon.api.responses.store import ResponseStore
from omlx_daemon.api.responses.tools import Tools
from omlx_daemon.api.trace import PREFIX as REQUEST_PREFIX
from omlx_daemon.core.requests import (
    ChatPrompt,
    GenerationRequest,
    Message,
    ReasoningOptions,
    ResponseFormat,
    Sampling,
)

PREFIX = "resp_"
_LOGPROBS = "message.output_text.logprobs"
_FIELDS = {"messages": "input", "response_format": "text.format"}
"""This dialect's names of what the core knows by others."""
_SEALED = "reasoning.encrypted_content"


class Job:
    """One HTTP request's response."""

    def __init__(self, body: ResponsesBody, caller: Caller, store: ResponseStore) -> None:
        """Read `body`. Raises OmlxError: INVALID_REQUEST, NOT_FOUND for a response that is not kept."""
        if body.background:
            raise invalid("background", "not supported")
        cache_options(body.prompt_cache_options)
        self.body = body
        self.tools = Tools(body.tools or [])
        self.warnings = (*self.tools.warnings, *_warnings(body))
        """What is known already."""
        self.owner = caller.salt
        self.name = caller.request_id.removeprefix(REQUEST_PREFIX)
        self.id = PREFIX + self.name
        self._before = _before(body, caller, store)
        self.request = _request(body, caller, self._conversation(), self.tools)

    def reworded(self, body: ErrorBody) -> ErrorBody:
        """Return `body` with the field that it names as this dialect spells it."""
        mine = self.tools.field(_FIELDS.get(body.param, body.param))
        message = mine + body.message.removeprefix(body.param) if body.message.startswith(body.param) else body.message
        return msgspec.structs.replace(body, param=mine, message=message)

    @property
    def seals(self) -> bool:
        """Whether reasoning is wanted in a form that carries it."""
        return _SEALED in (self.body.include or ())

    @property
    def keeps(self) -> bool:
        """Whether the response can be gone on from."""
        return self.body.store is not False

    def turns(self) -> tuple[tuple[Item, ...], ...]:
        """Return everything that was said before the response, instructions left out."""
        taken = (item["id"] for turn in self._before for item in turn)
        return (*self._before, items_of(self.body.input, self.name, taken))

    def _conversation(self) -> tuple[Message, ...]:
        given = messages_of(self.body.input)
        return (*chain.from_iterable(messages_of(list(turn)) for turn in self._before), *given)


def _warnings(body: ResponsesBody) -> tuple[str, ...]:
    """Return what is to be said of wishes that no model can heed."""
    found = verbosity_warnings(body.text.verbosity if body.text else None, "text.verbosity")
    if body.reasoning and body.reasoning.context not in (None, "auto"):
        found += ("reasoning.context: the model's chat template decides which reasoning it shows",)
    return found


def _before(body: ResponsesBody, caller: Caller, store: ResponseStore) -> tuple[tuple[Item, ...], ...]:
    if not body.previous_response_id:
        return ()
    return store.find(caller.salt, body.previous_response_id, "previous_response_id").whole


def _request(body: ResponsesBody, caller: Caller, conversation: tuple[Message, ...], tools: Tools) -> GenerationRequest:
    agreed = terms(body, caller)
    system = (Message(role="system", content=body.instructions),) if body.instructions else ()
    messages = (*system, *conversation)
    if not messages:
        raise invalid("input", "there is nothing to answer")
    return GenerationRequest(
        id=f"{caller.request_id}.0",
        model=body.model,
        prompt=ChatPrompt(messages=messages, tools=tuple(tools.functions), template_kwargs=_template_kwargs(body)),
        sampling=_sampling(body),
        cache=agreed.cache,
        priority=agreed.priority,
        deadline_s=agreed.deadline_s,
        keep_alive_s=agreed.keep_alive_s,
        client=caller.name or body.user or caller.peer,
        tool_choice=tools.choice(body.tool_choice, body.parallel_tool_calls is not False),
        response_format=_response_format(body),
        reasoning=_reasoning(body),
    )


def _sampling(body: ResponsesBody) -> Sampling:
    wanted = body.top_logprobs is not None or _LOGPROBS in (body.include or ())
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p or None,
        top_k=1 if body.top_p == 0 else None if body.top_k is None else max(body.top_k, 0),
        min_p=body.min_p,
        repetition_penalty=body.repetition_penalty,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        logit_bias={int(token): bias for token, bias in (body.logit_bias or {}).items()},
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        ignore_eos=bool(body.ignore_eos),
        seed=None if body.seed is None else body.seed & MAX_SEED,
        logprobs=(body.top_logprobs or 0) if wanted else None,
        max_tokens=body.max_output_tokens,
    )


def _template_kwargs(body: ResponsesBody) -> dict[str, object]:
    given: dict[str, object] = dict(body.chat_template_kwargs or {})
    for name in given:
        if not is_template_kwarg(name):
            raise invalid("chat_template_kwargs", f"{name!r} cannot be set")
    return given


def _response_format(body: ResponsesBody) -> ResponseFormat | None:
    match body.text.format if body.text else None:
        case JsonObject():
            return ResponseFormat()
        case JsonSchema() as asked:
            return ResponseFormat(schema=asked.schema, strict=asked.strict is not False)
        case _:
            return None


def _reasoning(body: ResponsesBody) -> ReasoningOptions:
    effort = (body.reasoning.effort if body.reasoning else None) or ""
    return ReasoningOptions(enabled=False) if effort == "none" else ReasoningOptions(effort=effort)


def echoed(body: ResponsesBody) -> dict[str, Any]:
    """Return what a response repeats of its body."""
    asked = body.text.format if body.text else None
    return {
        "model": body.model,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "reasoning": {"effort": body.reasoning.effort if body.reasoning else None, "summary": None},
        "store": body.store is not False,
        "temperature": body.temperature,
        "text": {"format": msgspec.to_builtins(asked) if asked else {"type": "text"}},
        "tool_choice": body.tool_choice if body.tool_choice is not None else "auto",
        "tools": body.tools or [],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": body.top_p,
        "user": body.user,
    }
