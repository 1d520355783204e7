"""What the API needs of the daemon. The pool and the registry implement these; the API sees nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Protocol, runtime_checkable

from omlx_cli.contract.api import (
    DaemonInfo,
    Health,
    LoadEstimate,
    ModelDetail,
    ModelInfo,
    PullEvent,
    ReloadReply,
    RequestInfo,
    SlotInfo,
    Status,
)
from omlx_cli.contract.cache import (
    CacheList,
    CacheMetrics,
    CachePin,
    CachePinBody,
    CachePins,
    CacheStats,
    CacheWarm,
    CacheWarmBody,
    PruneBody,
    PruneReport,
    VerifyBody,
    VerifyEvent,
)
from omlx_cli.contract.explain import ExplainReply
from omlx_cli.contract.prompt_rules import RulesReply
from omlx_daemon.core.events import Event
from omlx_daemon.core.models import Served
from omlx_daemon.core.requests import GenerationRequest


@runtime_checkable
class Inference(Protocol):
    """Generation. All methods run on the event loop."""

    def generate(self, request: GenerationRequest) -> AsyncIterator[Event]:
        """Return an async generator of the request's events, which ends after exactly one terminal event.

        Loads the model if it must. Closing the generator early cancels the request within one step.
        Raises OmlxError from the first `__anext__` where the request is refused before it waits for anything.
        """
        ...


@runtime_checkable
class Requests(Protocol):
    """The requests that are being worked on."""

    def requests(self) -> tuple[RequestInfo, ...]:
        """Return a row for each sequence, the oldest first; never waits."""
        ...

    def cancel(self, request_id: str) -> int:
        """End a request, all its sequences, with one typed error each; return how many there were."""
        ...


@runtime_checkable
class Names(Protocol):
    """The models that answer to the names of Anthropic's clients."""

    async def served(self, name: str) -> Served:
        """Return the model that answers to `name`. Raises OmlxError(MODEL_NOT_FOUND)."""
        ...


@runtime_checkable
class Models(Protocol):
    """The models on disk."""

    async def list(self) -> list[ModelInfo]:
        """Return every model found, by name."""
        ...

    async def show(self, name: str) -> ModelDetail:
        """Return one model in detail. Raises OmlxError(MODEL_NOT_FOUND)."""
        ...

    async def remove(self, name: str) -> str:
        """Delete a model's files; return what was done. Raises OmlxError (not found, in use, not ours)."""
        ...

    def pull(self, model: str, name: str) -> AsyncIterator[PullEvent]:
        """Fetch or import a model; a second pull of the same model follows the first.

        Yields progress, then exactly one `PullDone` or `PullFailed`. The pull goes on when a follower leaves
        and another remains; when the last one leaves, it stops and keeps what was fetched.
        """
        ...


@runtime_checkable
class Slots(Protocol):
    """The models in memory."""

    def rows(self) -> tuple[SlotInfo, ...]:
        """Return the rows of `omlx ps`; never waits."""
        ...

    async def load(self, name: str, ttl_s: float | None) -> SlotInfo:
        """Load a model and return its row when it is ready. Raises OmlxError."""
        ...

    async def estimate(self, name: str) -> LoadEstimate:
        """Return what a load would take and whether it would fit; nothing is loaded. Raises OmlxError."""
        ...

    async def unload(self, name: str, force: bool) -> None:
        """Unload a model. Raises OmlxError (not found, busy or pinned without `force`)."""
        ...

    async def pin(self, name: str, pinned: bool) -> SlotInfo | None:
        """Pin or unpin a model, remembered across restarts; return its row if it is loaded. Raises OmlxError."""
        ...


@runtime_checkable
class Daemon(Protocol):
    """The daemon itself."""

    def health(self) -> Health:
        """Return who is answering, and in which state."""
        ...

    def info(self) -> DaemonInfo:
        """Return the daemon's description."""
        ...

    def status(self) -> Status:
        """Return the whole picture; never waits."""
        ...

    async def reload(self) -> ReloadReply:
        """Read the settings again and apply what can be. Raises OmlxError(INVALID_CONFIG), nothing changed."""
        ...

    def request_shutdown(self) -> None:
        """Begin a graceful stop, as SIGTERM does."""
        ...


@runtime_checkable
class Rules(Protocol):
    """The rules by which prompts are made stable."""

    def rules(self) -> RulesReply:
        """Return every rule, whether it is on, and how often it applied; never waits."""
        ...


@runtime_checkable
class Watching(Protocol):
    """The daemon as it changes."""

    def follow(self, interval_s: float) -> AsyncIterator[bytes]:
        """Yield lines of JSON, each a `contract.live.LiveEvent`: a snapshot, then changes, `interval_s` apart at least,
        and happenings at once.

        Whoever reads slowly gets changes and happenings put together; it never waits for them. Ends with the daemon.
        """
        ...


@runtime_checkable
class CacheAdmin(Protocol):
    """The KV cache, seen from outside: both tiers, every model. Raises OmlxError where it says so."""

    async def stats(self) -> CacheStats:
        """Return the books of the cold tier."""
        ...

    def metrics(self) -> CacheMetrics:
        """Return what was reused and recomputed, per tier and model, from the last reports; never waits."""
        ...

    def explain(self, request_id: str, sees: Callable[[str], bool], *, reads: bool, may_act: bool) -> ExplainReply:
        """Return why a request's prompt was not reused further; without an id, that of the last that could have been.

        Of the requests of those clients that `sees` allows; with its texts where the caller `reads` its own, and where
        it `may_act` all of them. Raises OmlxError(NOT_FOUND) for a request that is not remembered.
        """
        ...

    async def rows(self, model: str, incompatible: bool) -> CacheList:
        """Return the namespaces of the cold tier; of one model, or the unusable ones alone, where asked."""
        ...

    async def prune(self, body: PruneBody) -> PruneReport:
        """Remove what matches; say what would go where it is a dry run."""
        ...

    async def clear(self, model: str) -> PruneReport:
        """Remove all blocks that are not pinned, of one model or of all, from both tiers."""
        ...

    def verify(self, body: VerifyBody) -> AsyncIterator[VerifyEvent]:
        """Check stored blocks; progress, then exactly one `VerifyDone`. Deep: also recompute them and compare."""
        ...

    async def pins(self) -> CachePins:
        """Return every pinned prefix."""
        ...

    async def pin(self, body: CachePinBody) -> CachePin:
        """Compute the prefix that `system` begins every chat with, store it, and keep it. Loads the model."""
        ...

    async def unpin(self, label: str) -> None:
        """Let a pinned prefix go. Raises OmlxError(NOT_FOUND)."""
        ...

    async def warm(self, body: CacheWarmBody) -> CacheWarm:
        """Compute and store a prompt without an answer. Loads the model."""
        ...

    async def export(self, name: str, path: str) -> PruneReport:
        """Write the blocks of a model, or else of a pin, to a new archive; the report counts what went in."""
        ...

    async def import_(self, path: str) -> PruneReport:
        """Take the blocks of an archive, each checked; the report counts what came in."""
        ...
