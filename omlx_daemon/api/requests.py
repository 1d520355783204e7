"""The requests that are being worked on, and their end by command."""

from __future__ import annotations

from litestar import Router, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from omlx_cli.contract import routes
from omlx_cli.contract.api import Done, RequestInfo, RequestsReply
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.api.caller import Caller
from omlx_daemon.api.errors import CONTROL_ERRORS
from omlx_daemon.api.trace import request_of
from omlx_daemon.core.ports import Requests


@get(routes.REQUESTS, responses=CONTROL_ERRORS)
async def list_requests(requests: NamedDependency[Requests], caller: NamedDependency[Caller]) -> RequestsReply:
    """List what is being worked on, the oldest first; over TCP without the API key the caller's own."""
    return RequestsReply(requests=_seen(requests, caller))


@delete(f"{routes.REQUESTS}/{{request_id:str}}", status_code=200, responses=CONTROL_ERRORS)
async def cancel(
    request_id: FromPath[str], requests: NamedDependency[Requests], caller: NamedDependency[Caller]
) -> Done:
    """Cancel a request by the id in its `x-request-id`, or in its reply; it ends with one error."""
    wanted = request_of(request_id)
    own = {row.id for row in _seen(requests, caller)}
    if wanted not in own and not any(row.startswith(f"{wanted}.") for row in own):
        message = f"there is no request {request_id[:200]!r}"
        raise OmlxError(Code.NOT_FOUND, message, "omlx requests  lists those that run", param="request_id")
    count = requests.cancel(wanted)
    return Done(message=f"{wanted} is cancelled" + (f" ({count} sequences)" if count > 1 else ""))


def router() -> Router:
    """Return the routes; `requests` and `caller` are injected."""
    return Router("/", route_handlers=[list_requests, cancel], tags=["requests"])


def _seen(requests: Requests, caller: Caller) -> tuple[RequestInfo, ...]:
    return tuple(row for row in requests.requests() if caller.sees(row.client))
