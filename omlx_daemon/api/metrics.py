"""What was computed and what was not: as JSON under `/v1/`, and for Prometheus with the daemon's own figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec

from omlx_cli.contract import routes
from omlx_cli.contract.api import MemoryLevel, MemoryStatus, SlotInfo, Status
from omlx_cli.contract.cache import CacheMetrics, ModelCacheFigures, TierFigures
from omlx_daemon.api.errors import OPENAI_ERRORS
from omlx_daemon.api.prometheus import CONTENT_TYPE, Family, Sample, render
from omlx_daemon.core.ports import CacheAdmin, Daemon

_TEXT = {200: ResponseSpec(str, generate_examples=False, description="Prometheus' text", media_type="text/plain")}


@get(routes.CACHE_METRICS, responses=OPENAI_ERRORS)
async def cache_metrics(cache: NamedDependency[CacheAdmin]) -> CacheMetrics:
    """Show what the cache saved, per tier and model."""
    return cache.metrics()


@get(routes.METRICS, responses=_TEXT)
async def prometheus(cache: NamedDependency[CacheAdmin], daemon: NamedDependency[Daemon]) -> Response[Any]:
    """Show the cache's and the daemon's figures to Prometheus."""
    text = render(families(daemon.status(), cache.metrics()))
    return Response(text.encode(), media_type="text/plain", headers={"content-type": CONTENT_TYPE})


def router() -> Router:
    """Return the routes; `cache` and `daemon` are injected."""
    return Router("/", route_handlers=[cache_metrics, prometheus], tags=["metrics"])


def families(status: Status, cache: CacheMetrics) -> Iterator[Family]:
    """Yield every family of `/metrics`."""
    yield from _daemon(status)
    yield from _cache(cache.models)
    yield Family(
        "omlx_prompt_rules_total",
        "counter",
        "Prompts that a rule changed, to keep them stable.",
        [Sample(count, {"rule": rule}) for rule, count in cache.prompt_rules.items()],
    )


def _daemon(status: Status) -> Iterable[Family]:
    daemon, slots = status.daemon, status.models
    yield Family("omlx_info", "gauge", "The daemon's version; always 1.", [Sample(1, {"version": daemon.version})])
    yield _gauge("omlx_uptime_seconds", "Seconds since the daemon started.", daemon.uptime_s)
    yield Family(
        "omlx_requests_total", "counter", "Requests since this home was made.", [Sample(status.requests_total)]
    )
    yield _gauge("omlx_memory_limit_bytes", "What all loaded models may take together.", status.memory_limit_bytes)
    yield _gauge("omlx_memory_used_bytes", "What all loaded models take.", status.memory_used_bytes)
    yield from _memory(status.memory)
    yield _gauge("omlx_models_in_memory", "Models in memory, loading ones included.", len(slots))
    yield _slots("omlx_requests_running", "Requests being computed.", slots, lambda slot: slot.running)
    yield _slots("omlx_requests_queued", "Requests that wait.", slots, lambda slot: slot.queued)
    yield _slots("omlx_model_size_bytes", "Memory of one model.", slots, lambda slot: slot.size_bytes)
    yield _slots("omlx_decode_tokens_per_second", "Pace of generation.", slots, lambda slot: slot.decode_tokens_per_s)
    yield _slots("omlx_prefill_tokens_per_second", "Pace of prefill.", slots, lambda slot: slot.prefill_tokens_per_s)


def _memory(memory: MemoryStatus) -> Iterable[Family]:
    level = list(MemoryLevel).index(memory.level)
    yield _gauge("omlx_memory_level", "How short memory is: 0 green, 1 yellow, 2 red.", level)
    yield Family(
        "omlx_memory_bytes",
        "gauge",
        "The terms by which memory is judged.",
        [Sample(term.size_bytes, {"term": term.name.replace(" ", "_")}) for term in memory.terms],
    )
    yield _gauge("omlx_memory_waiting", "Loads that wait for memory, or were refused of late.", len(memory.waiting))
    yield Family("omlx_memory_swaps_total", "counter", "Models that made way for another one.", [Sample(memory.swaps)])


def _cache(models: Iterable[ModelCacheFigures]) -> Iterable[Family]:
    models = list(models)
    yield Family("omlx_cache_tokens_total", "counter", "Prompt tokens by where their KV came from.", _tokens(models))
    yield _models(
        "omlx_cache_requested_tokens_total", "Prompt tokens that were asked for.", models, lambda m: m.requested_tokens
    )
    yield _models("omlx_cache_saved_seconds_total", "Prefill time not spent.", models, lambda m: m.saved_s)
    yield Family(
        "omlx_cache_misses_total",
        "counter",
        "Requests by the reason why no more was reused.",
        [
            Sample(count, {"model": one.model, "reason": reason})
            for one in models
            for reason, count in sorted(one.misses.items())
        ],
    )
    yield Family(
        "omlx_cache_enabled",
        "gauge",
        "1 where prefixes of the model are cached.",
        [Sample(int(one.enabled), {"model": one.model}) for one in models],
    )
    for name, text, figure in _TIER_GAUGES:
        yield Family(f"omlx_cache_{name}", "gauge", text, _tiers(models, figure))
    for name, text, figure in _TIER_COUNTERS:
        yield Family(f"omlx_cache_{name}_total", "counter", text, _tiers(models, figure))


_TierFigure = Callable[[TierFigures], float]

_TIER_GAUGES: tuple[tuple[str, str, _TierFigure], ...] = (
    ("size_bytes", "Bytes held.", lambda tier: tier.size_bytes),
    ("capacity_bytes", "Bytes that may be held.", lambda tier: tier.capacity_bytes),
    ("parts", "Blocks and checkpoints held.", lambda tier: tier.parts),
    ("queued_parts", "Blocks and checkpoints that wait to be written.", lambda tier: tier.queued_parts),
    ("queued_bytes", "Bytes that wait to be written.", lambda tier: tier.queued_bytes),
)
_TIER_COUNTERS: tuple[tuple[str, str, _TierFigure], ...] = (
    ("stored", "Blocks and checkpoints stored.", lambda tier: tier.stored),
    ("evictions", "Blocks and checkpoints removed to make room.", lambda tier: tier.evictions),
    ("read_bytes", "Bytes read.", lambda tier: tier.bytes_read),
    ("written_bytes", "Bytes written.", lambda tier: tier.bytes_written),
    ("refused", "Stores refused: no room, no budget, or a full queue.", lambda tier: tier.refused),
    ("dropped", "Stores given up after they were queued.", lambda tier: tier.dropped),
    ("missing", "Files that were gone when they were wanted.", lambda tier: tier.missing),
    ("quarantined", "Damaged files put aside.", lambda tier: tier.quarantined),
    ("errors", "Reads and writes that the system refused.", lambda tier: tier.errors),
)


def _gauge(name: str, text: str, value: float) -> Family:
    return Family(name, "gauge", text, [Sample(value)])


def _slots(name: str, text: str, slots: Iterable[SlotInfo], figure: Callable[[SlotInfo], float]) -> Family:
    return Family(name, "gauge", text, [Sample(figure(slot), {"model": slot.name}) for slot in slots])


def _models(
    name: str, text: str, models: Iterable[ModelCacheFigures], figure: Callable[[ModelCacheFigures], float]
) -> Family:
    return Family(name, "counter", text, [Sample(figure(one), {"model": one.model}) for one in models])


def _tokens(models: Iterable[ModelCacheFigures]) -> list[Sample]:
    return [
        Sample(tokens, {"model": one.model, "tier": tier})
        for one in models
        for tier, tokens in (
            ("hot", one.reused_hot_tokens),
            ("cold", one.reused_cold_tokens),
            ("recomputed", one.recomputed_tokens),
        )
    ]


def _tiers(models: Iterable[ModelCacheFigures], figure: _TierFigure) -> list[Sample]:
    return [Sample(figure(tier), {"model": one.model, "tier": tier.tier}) for one in models for tier in one.tiers]
