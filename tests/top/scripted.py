"""A daemon's words, made up: snapshots of any size, and a source that says what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta

import msgspec

from omlx_cli.contract.api import (
    DaemonInfo,
    MemoryLevel,
    MemoryStatus,
    MemoryTerm,
    ModelInfo,
    RequestInfo,
    RequestPhase,
    SlotInfo,
    SlotState,
)
from omlx_cli.contract.cache import ModelCacheFigures, PrunedModel, PruneReport
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.live import Happening, HappeningKind, LiveCache, LiveEvent, LiveMemory, LiveTier, Snapshot
from omlx_cli.top.feed import Down

BEGIN = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
GB = 1_000_000_000


def at(seconds: float = 0.0) -> str:
    """Return a moment so long after the beginning."""
    return (BEGIN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def daemon(start_id: str = "one", uptime_s: float = 11_520.0) -> DaemonInfo:
    return DaemonInfo(
        version="1.2.3", pid=4242, start_id=start_id, prefix="/opt/omlx", home="/home/ada/.omlx",
        socket="/home/ada/.omlx/run/omlx.sock", address="127.0.0.1:8000", uptime_s=uptime_s,
    )  # fmt: skip


MODELS = (
    SlotInfo(
        name="qwen3-coder-30b-4bit", state=SlotState.BUSY, size_bytes=18_400_000_000, pinned=True, running=3, queued=2,
        decode_tokens_per_s=142.6, prefill_tokens_per_s=1804.0, ttl_s=None, pid=511,
    ),
    SlotInfo(
        name="gemma3-4b", state=SlotState.IDLE, size_bytes=2_600_000_000, ttl_s=600.0, expires_at=at(252), pid=512
    ),
    SlotInfo(name="llama-70b", state=SlotState.LOADING, loading=0.45, ttl_s=600.0, pid=513),
    SlotInfo(
        name="smollm2", state=SlotState.CRASHED, crashes=2, error="the worker was killed: out of memory",
        retry_at=at(30),
    ),
)  # fmt: skip

REQUESTS = (
    RequestInfo(
        id="req_3f1c5a0e7d0c", model="qwen3-coder-30b-4bit", client="claude-code", phase=RequestPhase.DECODE,
        age_s=12.5, prompt_tokens=48_211, prefilled_tokens=48_211, tokens=412, cached_hot_tokens=32_768,
        cached_cold_tokens=12_288, tokens_per_s=47.8, ttft_s=1.84,
    ),
    RequestInfo(
        id="req_9a77b2c4d1e0", model="qwen3-coder-30b-4bit", client="opencode", phase=RequestPhase.PREFILL,
        priority="interactive", age_s=3.2, left_s=56.8, prompt_tokens=20_000, prefilled_tokens=9_000,
        cached_cold_tokens=4_096, tokens_per_s=1804.0,
    ),
    RequestInfo(
        id="req_00aa11bb22cc", model="qwen3-coder-30b-4bit", client="curl", phase=RequestPhase.QUEUED, priority="batch",
        age_s=0.9, prompt_tokens=120,
    ),
)  # fmt: skip

CACHE = LiveCache(
    tiers=(
        LiveTier(
            tier="hot", size_bytes=3_200_000_000, limit_bytes=8 * GB, parts=412, reused_tokens=1_200_000,
            evictions=37, read_bytes=5 * GB,
        ),
        LiveTier(
            tier="cold", size_bytes=12_400_000_000, limit_bytes=100 * GB, parts=1_733, reused_tokens=640_000,
            evictions=12, read_bytes=9 * GB, written_bytes=21 * GB, read_bytes_per_s=118e6, written_bytes_per_s=43e6,
            queued_parts=3, queued_bytes=21_000_000,
        ),
    ),
    requested_tokens=2_900_000, recomputed_tokens=1_060_000, saved_s=754.0, free_bytes=210 * GB,
    min_free_bytes=20 * GB, written_today_bytes=12 * GB, write_budget_bytes=100 * GB,
    models=(
        ModelCacheFigures(
            model="qwen3-coder-30b-4bit", requested_tokens=2_000_000, reused_hot_tokens=1_100_000,
            reused_cold_tokens=500_000, recomputed_tokens=400_000, saved_s=700.0, misses={"new": 3},
        ),
    ),
)  # fmt: skip

MEMORY = LiveMemory(
    used_bytes=21 * GB, limit_bytes=25 * GB,
    status=MemoryStatus(
        level=MemoryLevel.YELLOW, reasons=("models take 84 % of their limit",),
        terms=(
            MemoryTerm(name="system", size_bytes=32 * GB),
            MemoryTerm(name="reserve", size_bytes=-7 * GB, note="kept free"),
        ),
    ),
)  # fmt: skip

HAPPENINGS = tuple(
    Happening(number=number, at=at(number - 60), kind=kind, message=message, count=count, model="qwen3-coder-30b-4bit")
    for number, (kind, message, count) in enumerate(
        (
            (HappeningKind.LOADED, "qwen3-coder-30b-4bit in 4.1 s", 1),
            (HappeningKind.SPILLED, "blocks left RAM, and lie on SSD", 24),
            (HappeningKind.EVICTED, "blocks of gemma3-4b for the quota", 12),
            (HappeningKind.REFUSED, "llama-405b does not fit: 229 GB needed, 25 GB may be taken", 1),
            (HappeningKind.CRASHED, "smollm2: the worker was killed: out of memory", 1),
            (HappeningKind.FINISHED, "req_77 after 512 tokens", 1),
        ),
        1,
    )
)

SNAPSHOT = Snapshot(
    number=7, at=at(), daemon=daemon(), memory=MEMORY, models=MODELS, requests=REQUESTS, cache=CACHE, running=3,
    queued=2, requests_total=1_204, prefill_tokens_per_s=1804.0, decode_tokens_per_s=142.6, happenings=HAPPENINGS,
)  # fmt: skip


def crowd(count: int, moment_s: float = 0.0) -> Snapshot:
    """Return a snapshot with so many requests, further on the later it is."""
    rows = tuple(
        RequestInfo(
            id=f"req_{number:012x}", model=MODELS[0].name, client=f"agent-{number % 7}",
            phase=RequestPhase.DECODE if number % 3 else RequestPhase.PREFILL, age_s=moment_s + number,
            prompt_tokens=30_000, prefilled_tokens=30_000 if number % 3 else int(moment_s * 100) % 30_000,
            tokens=int(moment_s * 20) if number % 3 else 0, cached_hot_tokens=number * 17, tokens_per_s=20.0 + number,
        )
        for number in range(count)
    )  # fmt: skip
    return msgspec.structs.replace(SNAPSHOT, at=at(moment_s), requests=rows, running=count)


class Script:
    """A source of events: says what it was given, then what a test puts."""

    def __init__(self, *events: LiveEvent | Down) -> None:
        self.queue: asyncio.Queue[LiveEvent | Down] = asyncio.Queue()
        for event in events:
            self.queue.put_nowait(event)

    async def events(self) -> AsyncGenerator[LiveEvent | Down, None]:
        while True:
            yield await self.queue.get()
            self.queue.task_done()


class Recorder:
    """A control that notes what it is asked, and answers or refuses."""

    def __init__(self, refuses: OmlxError | None = None) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.refuses = refuses

    def _note(self, *call: object) -> str:
        self.asked.append(call)
        if self.refuses is not None:
            error, self.refuses = self.refuses, None
            raise error
        return f"done: {call[0]}"

    def start(self) -> str:
        return self._note("start")

    def models(self) -> tuple[ModelInfo, ...]:
        self._note("models")
        return (
            ModelInfo(name="phi-4", source="hub", path="/m/phi-4", size_bytes=8 * GB, quantization="4 bit"),
            ModelInfo(name="gemma3-4b", source="omlx", path="/m/gemma", size_bytes=2 * GB, loaded=True),
        )

    def load(self, model: str) -> str:
        return self._note("load", model)

    def unload(self, model: str, force: bool) -> str:
        return self._note("unload", model, force)

    def pin(self, model: str, keep: bool) -> str:
        return self._note("pin", model, keep)

    def cancel(self, request: str) -> str:
        return self._note("cancel", request)

    def prune(self, older_than: str, dry_run: bool) -> PruneReport:
        self._note("prune", older_than, dry_run)
        models = (PrunedModel(model="gemma3-4b", files=12, size_bytes=34_000_000),)
        return PruneReport(dry_run=dry_run, files=12, size_bytes=34_000_000, models=models)
