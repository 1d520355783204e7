"""The routes of Responses."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from litestar import Request, Router, get, post, route
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ASGIApp

from omlx_cli.contract import routes
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.api.body import StrictBody
from omlx_daemon.api.caller import Caller
from omlx_daemon.api.errors import OPENAI_ERRORS
from omlx_daemon.api.extras import invalid
from omlx_daemon.api.responses.answer import Answer
from omlx_daemon.api.responses.convert import Job
from omlx_daemon.api.responses.count import TokenCount
from omlx_daemon.api.responses.items import DEFAULT_LIMIT, page_of
from omlx_daemon.api.responses.replies import Deleted, InputTokens, ItemPage, Response
from omlx_daemon.api.responses.schema import NOT_SUPPORTED, InputTokensBody, ResponsesBody
from omlx_daemon.api.responses.store import ResponseStore
from omlx_daemon.api.trace import request_of
from omlx_daemon.core.ports import Inference, Requests

T = TypeVar("T")

_RESPONSE = {
    200: ResponseSpec(Response, generate_examples=False, description="The whole response, or its events"),
    **OPENAI_ERRORS,
}
_INPUT_TOKENS = {
    200: ResponseSpec(InputTokens, generate_examples=False, description="How long the prompt is"),
    **OPENAI_ERRORS,
}
_HINT = f"DELETE {routes.REQUESTS}/ID ends one that is being made"


class ResponsesRequest(StrictBody[T], Generic[T]):
    """A body of this dialect."""

    refused = NOT_SUPPORTED


@post(routes.RESPONSES, status_code=200, dto=ResponsesRequest[ResponsesBody], responses=_RESPONSE)
async def respond(
    data: JSONBody[ResponsesBody],
    inference: NamedDependency[Inference],
    kept: NamedDependency[ResponseStore],
    caller: NamedDependency[Caller],
    keep_alive_s: NamedDependency[float],
) -> ASGIApp:
    """Answer a turn."""
    return Answer(inference, Job(data, caller, kept), kept, keep_alive_s)


@post(routes.RESPONSE_INPUT_TOKENS, status_code=200, dto=ResponsesRequest[InputTokensBody], responses=_INPUT_TOKENS)
async def count_input_tokens(
    data: JSONBody[InputTokensBody],
    inference: NamedDependency[Inference],
    kept: NamedDependency[ResponseStore],
    caller: NamedDependency[Caller],
) -> ASGIApp:
    """Count the tokens of a turn's prompt."""
    return TokenCount(inference, Job(data.turn, caller, kept))


@route(
    f"{routes.RESPONSES}/{{response_id:str}}", http_method=["GET", "DELETE"], status_code=200, responses=OPENAI_ERRORS
)
async def one_response(
    request: Request[Any, Any, Any],
    response_id: FromPath[str],
    kept: NamedDependency[ResponseStore],
    caller: NamedDependency[Caller],
) -> Response | Deleted:
    """Return a response that is kept, or forget it."""
    if request.query_params.get("stream", "").lower() in ("true", "1"):
        raise invalid("stream", "a response that is kept is given whole")
    if request.method == "GET":
        return kept.find(caller.salt, response_id).response
    kept.forget(caller.salt, response_id)
    return Deleted(id=response_id)


@get(f"{routes.RESPONSES}/{{response_id:str}}/input_items", responses=OPENAI_ERRORS)
async def input_items(
    response_id: FromPath[str],
    kept: NamedDependency[ResponseStore],
    caller: NamedDependency[Caller],
    limit: FromQuery[int] = DEFAULT_LIMIT,
    order: FromQuery[Literal["asc", "desc"]] = "desc",
    after: FromQuery[str] = "",
) -> ItemPage:
    """List the items that a response answers, those of the conversation before it included."""
    return page_of(kept.find(caller.salt, response_id).items, limit=limit, order=order, after=after)


@post(f"{routes.RESPONSES}/{{response_id:str}}/cancel", status_code=200, responses=OPENAI_ERRORS)
async def cancel(
    response_id: FromPath[str],
    kept: NamedDependency[ResponseStore],
    requests: NamedDependency[Requests],
    caller: NamedDependency[Caller],
) -> None:
    """Refuse: this ends responses that are made in the background, and none is."""
    work = f"{request_of(response_id)}."
    if not any(row.id.startswith(work) and caller.sees(row.client) for row in requests.requests()):
        kept.find(caller.salt, response_id)
    message = "response_id: this response is not made in the background, so it cannot be cancelled here"
    raise OmlxError(Code.INVALID_REQUEST, message, _HINT, param="response_id")


def router() -> Router:
    """Return the routes of this dialect; the parts that they name are injected."""
    return Router(
        "/", route_handlers=[respond, count_input_tokens, one_response, input_items, cancel], tags=["responses"]
    )
