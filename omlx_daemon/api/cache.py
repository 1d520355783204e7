"""The cache's control routes."""

from __future__ import annotations

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, JSONBody
from litestar.types import ASGIApp

from omlx_cli.contract import routes
from omlx_cli.contract.api import Done
from omlx_cli.contract.cache import (
    CacheArchiveBody,
    CacheLabelBody,
    CacheList,
    CacheModelBody,
    CachePinBody,
    CachePinReply,
    CachePins,
    CacheStats,
    CacheWarm,
    CacheWarmBody,
    PruneBody,
    PruneReport,
    VerifyBody,
    VerifyFailed,
    VerifyProgress,
)
from omlx_cli.contract.errors import ErrorBody
from omlx_cli.contract.explain import ExplainReply
from omlx_daemon.api import cache_checks as checks
from omlx_daemon.api.body import StrictBody
from omlx_daemon.api.caller import Caller
from omlx_daemon.api.errors import CONTROL_ERRORS
from omlx_daemon.api.guard import owner_only
from omlx_daemon.api.records import RecordStream
from omlx_daemon.api.trace import request_of
from omlx_daemon.core.ports import CacheAdmin

_PROGRESS = {
    200: ResponseSpec(
        VerifyProgress,
        generate_examples=False,
        description="JSON lines of progress, then how it ended",
        media_type=routes.STREAM_TYPE,
    ),
    **CONTROL_ERRORS,
}


@get(routes.CACHE_STATS, responses=CONTROL_ERRORS)
async def stats(cache: NamedDependency[CacheAdmin]) -> CacheStats:
    """Show the books of the SSD tier."""
    return await cache.stats()


@get(routes.CACHE_LIST, responses=CONTROL_ERRORS)
async def rows(
    cache: NamedDependency[CacheAdmin], model: FromQuery[str] = "", incompatible: FromQuery[bool] = False
) -> CacheList:
    """List the namespaces of the SSD tier: of one model, or those that no model can use."""
    return await cache.rows(model, incompatible)


@get(routes.CACHE_PINS, responses=CONTROL_ERRORS)
async def pins(cache: NamedDependency[CacheAdmin]) -> CachePins:
    """List the pinned prefixes."""
    return await cache.pins()


@get(routes.CACHE_EXPLAIN, responses=CONTROL_ERRORS)
async def explain(
    cache: NamedDependency[CacheAdmin], caller: NamedDependency[Caller], id: FromQuery[str] = ""
) -> ExplainReply:
    """Tell why no more of a prompt was reused, by the id of its request or reply; without one, of the last miss."""
    return cache.explain(request_of(id), caller.sees, reads=bool(caller.salt), may_act=caller.may_act)


@post(routes.CACHE_PRUNE, status_code=200, dto=StrictBody[PruneBody], responses=CONTROL_ERRORS)
async def prune(data: JSONBody[PruneBody], cache: NamedDependency[CacheAdmin]) -> PruneReport:
    """Remove blocks that meet all that is given, or say which would go."""
    checks.prune(data)
    return await cache.prune(data)


@post(routes.CACHE_CLEAR, status_code=200, dto=StrictBody[CacheModelBody], responses=CONTROL_ERRORS)
async def clear(data: JSONBody[CacheModelBody], cache: NamedDependency[CacheAdmin]) -> PruneReport:
    """Remove all blocks that are not pinned, of one model or of all."""
    return await cache.clear(data.model)


@post(routes.CACHE_VERIFY, status_code=200, dto=StrictBody[VerifyBody], responses=_PROGRESS)
async def verify(data: JSONBody[VerifyBody], cache: NamedDependency[CacheAdmin]) -> ASGIApp:
    """Check stored blocks; a damaged one goes into quarantine."""
    return RecordStream(cache.verify(data), _verify_failed)


@post(routes.CACHE_PIN, status_code=200, dto=StrictBody[CachePinBody], responses=CONTROL_ERRORS)
async def pin(data: JSONBody[CachePinBody], cache: NamedDependency[CacheAdmin]) -> CachePinReply:
    """Compute a system prompt's prefix, store it and keep it."""
    checks.pin(data)
    return CachePinReply(pin=await cache.pin(data))


@post(routes.CACHE_UNPIN, status_code=200, dto=StrictBody[CacheLabelBody], responses=CONTROL_ERRORS)
async def unpin(data: JSONBody[CacheLabelBody], cache: NamedDependency[CacheAdmin]) -> Done:
    """Let a pinned prefix go."""
    await cache.unpin(data.label)
    return Done(message=f"{data.label} is no longer pinned")


@post(routes.CACHE_WARM, status_code=200, dto=StrictBody[CacheWarmBody], responses=CONTROL_ERRORS)
async def warm(data: JSONBody[CacheWarmBody], cache: NamedDependency[CacheAdmin]) -> CacheWarm:
    """Compute and store a prompt without an answer."""
    return await cache.warm(checks.warm(data))


@post(routes.CACHE_EXPORT, status_code=200, dto=StrictBody[CacheArchiveBody], responses=CONTROL_ERRORS)
async def export(data: JSONBody[CacheArchiveBody], cache: NamedDependency[CacheAdmin]) -> PruneReport:
    """Write a model's or a pin's blocks to a new archive."""
    checks.archive(data, needs_model=True)
    return await cache.export(data.model, data.path)


@post(routes.CACHE_IMPORT, status_code=200, dto=StrictBody[CacheArchiveBody], responses=CONTROL_ERRORS)
async def import_(data: JSONBody[CacheArchiveBody], cache: NamedDependency[CacheAdmin]) -> PruneReport:
    """Take the blocks of an archive."""
    checks.archive(data, needs_model=False)
    return await cache.import_(data.path)


def router() -> Router:
    """Return the cache's routes; `cache` is injected."""
    acting = Router("/", route_handlers=[prune, clear, verify, pin, unpin, warm, export, import_], guards=[owner_only])
    return Router("/", route_handlers=[stats, rows, pins, explain, acting], tags=["cache"])


def _verify_failed(error: ErrorBody) -> VerifyFailed:
    return VerifyFailed(error=error)
