"""Whether the daemon lives, and whether it is ready for requests."""

from __future__ import annotations

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from omlx_cli.contract import routes
from omlx_cli.contract.api import DaemonState, Health
from omlx_daemon.core.ports import Daemon


@get(routes.HEALTH)
async def health(daemon: NamedDependency[Daemon]) -> Health:
    """Say who is answering; 200 as long as the daemon lives."""
    # Open to everyone: what is being worked on is told by the route that needs the API key.
    return msgspec.structs.replace(daemon.health(), stuck=())


_NOT_READY = {503: ResponseSpec(Health, generate_examples=False, description="Alive, but not ready; see `state`")}


@get(routes.READY, responses=_NOT_READY)
async def ready(daemon: NamedDependency[Daemon]) -> Response[Health]:
    """Answer 200 when the daemon takes requests and works on them, else 503 with its state and who is stuck."""
    now = daemon.health()
    if now.state is DaemonState.READY:
        return Response(now)
    return Response(now, status_code=503, headers={"retry-after": "1"})


def router() -> Router:
    """Return the health routes; `daemon` is injected."""
    return Router("/", route_handlers=[health, ready], tags=["health"])
