"""What the cache did for each model, over the lives of its workers."""

from __future__ import annotations

from collections import Counter

import msgspec

from omlx_cli.contract.cache import ModelCacheFigures, TierFigures

_OF_THE_MOMENT = {"size_bytes": 0, "capacity_bytes": 0, "parts": 0, "queued_parts": 0, "queued_bytes": 0}


class Tally:
    """Adds what live workers report to what ended ones left. Event loop only."""

    def __init__(self) -> None:
        self._past: dict[str, ModelCacheFigures] = {}
        self._live: dict[str, ModelCacheFigures] = {}

    def report(self, owner: str, figures: ModelCacheFigures) -> None:
        """Take a worker's figures, which count from its start."""
        self._live[owner] = figures

    def close(self, owner: str) -> None:
        """Keep the counters of a worker that has ended."""
        last = self._live.pop(owner, None)
        if last is not None:
            tiers = tuple(msgspec.structs.replace(tier, **_OF_THE_MOMENT) for tier in last.tiers)
            self._past[last.model] = _sum(self._past.get(last.model), msgspec.structs.replace(last, tiers=tiers))

    def rows(self) -> tuple[ModelCacheFigures, ...]:
        """Return every model's figures, by name."""
        found = dict(self._past)
        for figures in self._live.values():
            found[figures.model] = _sum(found.get(figures.model), figures)
        return tuple(found[model] for model in sorted(found))


def _sum(past: ModelCacheFigures | None, now: ModelCacheFigures) -> ModelCacheFigures:
    if past is None:
        return now
    before = {tier.tier: tier for tier in past.tiers}
    after = {tier.tier: tier for tier in now.tiers}
    tiers = [_add(before.get(name), after.get(name)) for name in dict.fromkeys([*before, *after])]
    return msgspec.structs.replace(
        now,
        requested_tokens=past.requested_tokens + now.requested_tokens,
        reused_hot_tokens=past.reused_hot_tokens + now.reused_hot_tokens,
        reused_cold_tokens=past.reused_cold_tokens + now.reused_cold_tokens,
        recomputed_tokens=past.recomputed_tokens + now.recomputed_tokens,
        saved_s=past.saved_s + now.saved_s,
        misses=dict(Counter(past.misses) + Counter(now.misses)),
        tiers=tuple(tiers),
    )


def _add(past: TierFigures | None, now: TierFigures | None) -> TierFigures:
    if past is None or now is None:
        found = past or now
        assert found is not None
        return found
    sums = {name: getattr(past, name) + getattr(now, name) for name in now.__struct_fields__ if name != "tier"}
    return msgspec.structs.replace(now, **sums)
