"""The Anthropic routes."""

from __future__ import annotations

from typing import Generic, TypeVar

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.types import ASGIApp

from omlx_cli.contract import routes
from omlx_daemon.api.anthropic.answer import Answer
from omlx_daemon.api.anthropic.convert import count_job, message_job
from omlx_daemon.api.anthropic.count import TokenCount
from omlx_daemon.api.anthropic.errors import ANTHROPIC_ERRORS
from omlx_daemon.api.anthropic.replies import AnthropicMessage, CountReply
from omlx_daemon.api.anthropic.schema import NOT_SUPPORTED, CountTokensBody, MessagesBody
from omlx_daemon.api.body import StrictBody
from omlx_daemon.api.caller import Caller
from omlx_daemon.core.ports import Inference, Names

T = TypeVar("T")

_MESSAGE = {
    200: ResponseSpec(AnthropicMessage, generate_examples=False, description="The whole message, or its events"),
    **ANTHROPIC_ERRORS,
}
_COUNT = {
    200: ResponseSpec(CountReply, generate_examples=False, description="How long the prompt is"),
    **ANTHROPIC_ERRORS,
}


class AnthropicBody(StrictBody[T], Generic[T]):
    """A body of this dialect."""

    refused = NOT_SUPPORTED


@post(routes.MESSAGES, status_code=200, dto=AnthropicBody[MessagesBody], responses=_MESSAGE)
async def messages(
    data: JSONBody[MessagesBody],
    inference: NamedDependency[Inference],
    names: NamedDependency[Names],
    caller: NamedDependency[Caller],
    keep_alive_s: NamedDependency[float],
) -> ASGIApp:
    """Answer a conversation."""
    return Answer(inference, message_job(data, caller, await names.served(data.model)), keep_alive_s)


@post(routes.COUNT_TOKENS, status_code=200, dto=AnthropicBody[CountTokensBody], responses=_COUNT)
async def count_tokens(
    data: JSONBody[CountTokensBody],
    inference: NamedDependency[Inference],
    names: NamedDependency[Names],
    caller: NamedDependency[Caller],
) -> ASGIApp:
    """Count the tokens of a conversation."""
    return TokenCount(inference, count_job(data, caller, await names.served(data.model)))


def router() -> Router:
    """Return the routes of this dialect; `inference`, `names`, `caller` and `keep_alive_s` are injected."""
    return Router("/", route_handlers=[messages, count_tokens], tags=["anthropic"])
