"""The control routes: what the CLI asks of the daemon."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from litestar import MediaType, Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.types import ASGIApp

from omlx_cli.contract import routes
from omlx_cli.contract.api import (
    Done,
    LoadBody,
    LoadEstimate,
    ModelBody,
    ModelDetail,
    ModelsReply,
    PsReply,
    PullBody,
    PullFailed,
    PullProgress,
    ReloadReply,
    SlotInfo,
    SlotReply,
    Status,
    UnloadBody,
)
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_cli.contract.units import parse_duration_s
from omlx_daemon.api import ps_table
from omlx_daemon.api.body import StrictBody
from omlx_daemon.api.errors import CONTROL_ERRORS
from omlx_daemon.api.guard import owner_only
from omlx_daemon.api.records import RecordStream
from omlx_daemon.core.ports import Daemon, Models, Slots

_PROGRESS = {
    200: ResponseSpec(
        PullProgress, generate_examples=False, description="JSON lines of pull events", media_type=routes.STREAM_TYPE
    ),
    **CONTROL_ERRORS,
}


@get(routes.STATUS)
async def status(daemon: NamedDependency[Daemon]) -> Status:
    """Show the daemon, its models and its memory."""
    return daemon.status()


@get(routes.PS, media_type=MediaType.JSON)
async def ps(request: Request[Any, Any, Any], slots: NamedDependency[Slots]) -> Response[PsReply]:
    """List the models in memory; with `Accept: text/plain` as the finished table."""
    rows = slots.rows()
    if request.headers.get("accept", "").startswith("text/plain"):
        return _table(rows)
    return Response(PsReply(models=rows))


@get(routes.MODELS)
async def list_models(models: NamedDependency[Models]) -> ModelsReply:
    """List the models on disk."""
    return ModelsReply(models=tuple(await models.list()))


@post(routes.SHOW, status_code=200, dto=StrictBody[ModelBody], responses=CONTROL_ERRORS)
async def show(data: JSONBody[ModelBody], models: NamedDependency[Models]) -> ModelDetail:
    """Describe one model on disk."""
    return await models.show(data.model)


@post(routes.PULL, status_code=200, dto=StrictBody[PullBody], responses=_PROGRESS)
async def pull(data: JSONBody[PullBody], models: NamedDependency[Models]) -> ASGIApp:
    """Fetch or import a model."""
    return RecordStream(models.pull(data.model, data.name), _pull_failed)


@post(routes.REMOVE, status_code=200, dto=StrictBody[ModelBody], responses=CONTROL_ERRORS)
async def remove(data: JSONBody[ModelBody], models: NamedDependency[Models]) -> Done:
    """Delete a model's files."""
    return Done(message=await models.remove(data.model))


@post(routes.LOAD, status_code=200, dto=StrictBody[LoadBody], responses=CONTROL_ERRORS)
async def load(data: JSONBody[LoadBody], slots: NamedDependency[Slots]) -> SlotReply:
    """Load a model; the answer comes when it is ready."""
    return SlotReply(model=await slots.load(data.model, _ttl_s(data.ttl)))


@post(routes.ESTIMATE, status_code=200, dto=StrictBody[ModelBody], responses=CONTROL_ERRORS)
async def estimate(data: JSONBody[ModelBody], slots: NamedDependency[Slots]) -> LoadEstimate:
    """Say what a load would take and whether it would fit; nothing is loaded."""
    return await slots.estimate(data.model)


@post(routes.UNLOAD, status_code=200, dto=StrictBody[UnloadBody], responses=CONTROL_ERRORS)
async def unload(data: JSONBody[UnloadBody], slots: NamedDependency[Slots]) -> Done:
    """Unload a model."""
    await slots.unload(data.model, data.force)
    return Done(message=f"{data.model} is unloaded")


@post(routes.PIN, status_code=200, dto=StrictBody[ModelBody], responses=CONTROL_ERRORS)
async def pin(data: JSONBody[ModelBody], slots: NamedDependency[Slots]) -> Done:
    """Keep a model in memory once it is loaded."""
    await slots.pin(data.model, True)
    return Done(message=f"{data.model} is pinned")


@post(routes.UNPIN, status_code=200, dto=StrictBody[ModelBody], responses=CONTROL_ERRORS)
async def unpin(data: JSONBody[ModelBody], slots: NamedDependency[Slots]) -> Done:
    """Let a model be unloaded again."""
    await slots.pin(data.model, False)
    return Done(message=f"{data.model} is no longer pinned")


@post(routes.RELOAD, status_code=200, responses=CONTROL_ERRORS)
async def reload(daemon: NamedDependency[Daemon]) -> ReloadReply:
    """Read the settings again and apply what can be; invalid ones change nothing."""
    return await daemon.reload()


@post(routes.SHUTDOWN, status_code=202, responses=CONTROL_ERRORS)
async def shutdown(daemon: NamedDependency[Daemon]) -> Done:
    """Begin a graceful stop."""
    daemon.request_shutdown()
    return Done(message="the daemon is stopping")


def router() -> Router:
    """Return the control routes; `daemon`, `models` and `slots` are injected."""
    reading = [status, ps, list_models]
    handlers = [show, pull, remove, load, estimate, unload, pin, unpin, reload, shutdown]
    acting = Router("/", route_handlers=handlers, guards=[owner_only])
    return Router("/", route_handlers=[*reading, acting], tags=["control"])


def _pull_failed(error: ErrorBody) -> PullFailed:
    return PullFailed(error=error)


def _table(rows: tuple[SlotInfo, ...]) -> Response[Any]:
    return Response(ps_table.render(rows, datetime.now(UTC)), media_type=MediaType.TEXT)


def _ttl_s(text: str) -> float | None:
    """Return the seconds in `text`; None, the configured value, where it is empty. Raises OmlxError."""
    if not text:
        return None
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise OmlxError(Code.INVALID_REQUEST, f"ttl: {error}", param="ttl") from error
