"""The routes of Responses."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from litestar import Request, Router, post, route
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from litestar.types import ASGIApp

from omlx_cli.contract import routes
from omlx_daemon.api.body import StrictBody
from omlx_daemon.api.caller import Caller
from omlx_daemon.api.errors import OPENAI_ERRORS
from omlx_daemon.api.extras import invalid
from omlx_daemon.api.responses.answer import Answer
from omlx_daemon.api.responses.convert import Job
from omlx_daemon.api.responses.replies import Deleted, Response
from omlx_daemon.api.responses.schema import NOT_SUPPORTED, ResponsesBody
from omlx_daemon.api.responses.store import ResponseStore
from omlx_daemon.core.ports import Inference

T = TypeVar("T")

_RESPONSE = {
    200: ResponseSpec(Response, generate_examples=False, description="The whole response, or its events"),
    **OPENAI_ERRORS,
}


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


def router() -> Router:
    """Return the routes of this dialect; `inference`, `kept`, `caller` and `keep_alive_s` are injected."""
    return Router("/", route_handlers=[respond, one_response], tags=["responses"])
