"""Small stand-ins for the daemon's parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from omlx_cli.contract.api import (
    DaemonInfo,
    DaemonState,
    Health,
    LoadEstimate,
    MemoryLevel,
    MemoryStatus,
    MemoryTerm,
    ModelDetail,
    ModelInfo,
    PullDone,
    PullEvent,
    PullFailed,
    PullProgress,
    ReloadReply,
    RequestInfo,
    RequestPhase,
    SlotInfo,
    SlotState,
    Status,
    StuckWorker,
)
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.core.errors import model_not_found
from omlx_daemon.core.models import Served


def model(name: str, problem: str = "") -> ModelInfo:
    """Return a model on disk."""
    return ModelInfo(
        name=name, source="omlx", path="", size_bytes=98_400_000, modified_at="2026-01-02T03:04:05Z", problem=problem
    )


def slot(name: str = "sky") -> SlotInfo:
    """Return a loaded model."""
    return SlotInfo(name=name, state=SlotState.IDLE, size_bytes=98_400_000)


class PlainNames:
    """Every model answers to its own name; `windows` says what clients believe of some."""

    def __init__(self) -> None:
        self.windows: dict[str, Served] = {}

    async def served(self, name: str) -> Served:
        """Return the model."""
        return self.windows.get(name) or Served(name=name)


class ShelfModels:
    """Two models that can be loaded and one that cannot; a pull waits in the middle where it is told to."""

    def __init__(self) -> None:
        self.models = {name: model(name) for name in ("sky", "org/sky")} | {"broken": model("broken", "no weights")}
        self.pull_closed = False

    async def list(self) -> list[ModelInfo]:
        """Return every model."""
        return list(self.models.values())

    async def show(self, name: str) -> ModelDetail:
        """Return one model."""
        if name not in self.models:
            raise model_not_found(name, list(self.models))
        return ModelDetail(model=self.models[name], config={"model_type": "llama"})

    async def remove(self, name: str) -> str:
        """Say what would be deleted."""
        if name == "org/sky":
            raise OmlxError(Code.IN_USE, "org/sky is loaded", "omlx unload org/sky")
        return f"deleted {(await self.show(name)).model.name}"

    async def pull(self, model: str, name: str) -> AsyncIterator[PullEvent]:
        """Play a pull."""
        if model == "nowhere":
            raise OmlxError(Code.INVALID_REQUEST, "nowhere is no model", param="model")
        try:
            yield PullProgress(step="download", done_bytes=5, total_bytes=10)
            if model == "stuck":
                await asyncio.Event().wait()
            if model == "broken":
                yield PullFailed(error=ErrorBody(code=Code.PULL_FAILED, message="the hub is away"))
                return
            if model == "bug":
                raise RuntimeError("/secret/place")
            yield PullDone(model=self.models["sky"])
        finally:
            self.pull_closed = True


class OneSlot:
    """One model in memory."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def rows(self) -> tuple[SlotInfo, ...]:
        """Return the one row."""
        return (slot(),)

    async def load(self, name: str, ttl_s: float | None) -> SlotInfo:
        """Remember the call."""
        self.calls.append(("load", name, ttl_s))
        if name == "huge":
            raise OmlxError(Code.INSUFFICIENT_MEMORY, "huge needs 90 GB and 8 GB are free", retry_after_s=1.5)
        return slot(name)

    async def estimate(self, name: str) -> LoadEstimate:
        """Weigh a model of 90 GB, or of one byte."""
        if name != "huge":
            return LoadEstimate(model=name, needed_bytes=1, room_bytes=8, fits=True, verdict=f"{name} would fit")
        weights = MemoryTerm(name="weights", size_bytes=90)
        return LoadEstimate(
            model=name,
            needed_bytes=90,
            room_bytes=8,
            fits=False,
            verdict="huge would not fit at all",
            advice="use a smaller model",
            need=(weights,),
            have=(MemoryTerm(name="limit", size_bytes=8, note="memory.limit"),),
        )

    async def unload(self, name: str, force: bool) -> None:
        """Remember the call; a pinned model stays."""
        self.calls.append(("unload", name, force))
        if name == "pinned" and not force:
            raise OmlxError(Code.PINNED, "pinned is pinned", "omlx unpin pinned")

    async def pin(self, name: str, pinned: bool) -> SlotInfo | None:
        """Remember the call."""
        self.calls.append(("pin", name, pinned))
        return slot(name)


class StillDaemon:
    """A daemon that only says what it is."""

    def __init__(self) -> None:
        self.state = DaemonState.READY
        self.stuck: tuple[StuckWorker, ...] = ()
        self.stopping = False
        self.reloads: list[ReloadReply | OmlxError] = []

    def health(self) -> Health:
        """Return who answers."""
        return Health(state=self.state, version="1.2.3", prefix="", pid=42, start_id="abc", stuck=self.stuck)

    def info(self) -> DaemonInfo:
        """Return the description."""
        return DaemonInfo(version="1.2.3", pid=42, start_id="abc", prefix="", home="", socket="")

    def status(self) -> Status:
        """Return the picture."""
        memory = MemoryStatus(
            level=MemoryLevel.YELLOW,
            reasons=("models take 85% of memory.limit",),
            terms=(MemoryTerm(name="hot tiers", size_bytes=5),),
            waiting=("moon waits for 5 GB: sky is busy",),
            swaps=2,
        )
        return Status(daemon=self.info(), models=(slot(),), running=1, memory=memory)

    async def reload(self) -> ReloadReply:
        """Answer what is planned."""
        planned = self.reloads.pop(0) if self.reloads else ReloadReply()
        if isinstance(planned, OmlxError):
            raise planned
        return planned

    def request_shutdown(self) -> None:
        """Remember the request."""
        self.stopping = True


class TwoRequests:
    """Two requests of two clients, one of them with two sequences."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def requests(self) -> tuple[RequestInfo, ...]:
        """Return the rows."""
        rows = (("req_a.0", "127.0.0.1"), ("req_a.1", "127.0.0.1"), ("req_b.0", "agent"))
        return tuple(
            RequestInfo(id=name, model="sky", client=client, phase=RequestPhase.DECODE) for name, client in rows
        )

    def cancel(self, request_id: str) -> int:
        """Remember the wish."""
        self.cancelled.append(request_id)
        return 2 if request_id == "req_a" else 1
