"""The OpenAI routes."""

from __future__ import annotations

from typing import Generic, TypeVar

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.types import ASGIApp

from omlx_cli.contract import routes
from omlx_daemon.api.body import StrictBody
from omlx_daemon.api.caller import Caller
from omlx_daemon.api.errors import OPENAI_ERRORS
from omlx_daemon.api.openai.answer import CHAT, TEXT, Answer
from omlx_daemon.api.openai.convert import chat_job, completion_job
from omlx_daemon.api.openai.replies import ChatCompletion, Completion
from omlx_daemon.api.openai.schema import NOT_SUPPORTED_YET, ChatCompletionBody, CompletionBody
from omlx_daemon.core.ports import Inference

T = TypeVar("T")


class OpenAIBody(StrictBody[T], Generic[T]):
    """A body of this dialect."""

    refused = NOT_SUPPORTED_YET


def _answers(reply: type) -> dict[int, ResponseSpec]:
    whole = ResponseSpec(reply, generate_examples=False, description="The whole answer, or a stream of chunks")
    return {200: whole, **OPENAI_ERRORS}


@post(routes.CHAT_COMPLETIONS, status_code=200, dto=OpenAIBody[ChatCompletionBody], responses=_answers(ChatCompletion))
async def chat_completions(
    data: JSONBody[ChatCompletionBody],
    inference: NamedDependency[Inference],
    caller: NamedDependency[Caller],
    keep_alive_s: NamedDependency[float],
) -> ASGIApp:
    """Answer a conversation."""
    return Answer(inference, chat_job(data, caller), CHAT, keep_alive_s)


@post(routes.COMPLETIONS, status_code=200, dto=OpenAIBody[CompletionBody], responses=_answers(Completion))
async def completions(
    data: JSONBody[CompletionBody],
    inference: NamedDependency[Inference],
    caller: NamedDependency[Caller],
    keep_alive_s: NamedDependency[float],
) -> ASGIApp:
    """Continue a text."""
    return Answer(inference, completion_job(data, caller), TEXT, keep_alive_s)


def router() -> Router:
    """Return the routes of this dialect; `inference`, `caller` and `keep_alive_s` are injected."""
    return Router("/", route_handlers=[chat_completions, completions], tags=["openai"])
