"""The panel of the cache: each tier against its limit, what it saved, and what it cost the SSD."""

from __future__ import annotations

from omlx_cli.contract.live import LiveCache, LiveTier
from omlx_cli.contract.units import format_bytes
from omlx_cli.top import figures, gauges
from omlx_cli.top.history import SPAN_S
from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import GAP_CELLS, Line, Role, Span, clean, fit, fitting, joined, line, width

_ROLES = {"hot": Role.HOT, "cold": Role.COLD}
_PLACES = {"hot": "RAM", "cold": "SSD"}
_LABEL = 6
_MIN_GAUGE, _GAUGE = 4, 12
_SIZES = 19
_MIN_SPARK, _SPARK = 8, 24


def tiers(moment: Moment, cells: int, rows: int) -> tuple[Line, ...]:
    """Return the panel's lines, the most important first; `rows` of them at most, and closer where those are few."""
    cache = moment.snapshot.cache
    trouble = () if cache.state == "ok" else (_trouble(moment),)
    gauge = _gauge_cells(moment, cells)
    head = (*trouble, *(_tier(tier, moment, cells, gauge) for tier in cache.tiers), _saved(moment, cells))
    lines = (*head, *_rates(moment, cells), _budget(moment, cells), _disk(moment, cells))
    if sum(bool(found) for found in lines) > rows:
        lines = (*head, _both_rates(moment, cells), _disk_and_budget(moment, cells))
    return tuple(fit(found, cells) for found in lines if found)[:rows]


def tier_rate(tier: LiveTier, moment: Moment) -> float | None:
    """Return the share of all prompt tokens that a tier served since the daemon's start."""
    return figures.share(tier.reused_tokens, moment.snapshot.cache.requested_tokens)


def hit_rate(moment: Moment) -> float | None:
    """Return the share of all prompt tokens that was reused since the daemon's start."""
    cache = moment.snapshot.cache
    return figures.share(sum(tier.reused_tokens for tier in cache.tiers), cache.requested_tokens)


def _trouble(moment: Moment) -> Line:
    cache = moment.snapshot.cache
    return (Span(f" {cache.state}: ", Role.BAD), Span(clean(cache.reason)))


def _label(text: str, role: Role = Role.DIM) -> Span:
    return Span(f" {text}".ljust(_LABEL + 1), role)


def _gauge_cells(moment: Moment, cells: int) -> int:
    """Return how long the tiers' gauges are: the words that matter come first."""
    words = max((width(joined(_tier_words(tier, moment)[:3])) for tier in moment.snapshot.cache.tiers), default=0)
    return max(_MIN_GAUGE, min(_GAUGE, cells - _LABEL - 2 - words))


def _tier(tier: LiveTier, moment: Moment, cells: int, gauge_cells: int) -> Line:
    share = figures.share(tier.size_bytes, tier.limit_bytes or 0)
    role = _ROLES.get(tier.tier, Role.PLAIN)
    gauge = gauges.bar(share, gauge_cells, role) if tier.limit_bytes else line(" " * gauge_cells)
    sizes, *rest = _tier_words(tier, moment)
    return (_label(clean(tier.tier), role), *fitting(((*gauge, *sizes), *rest), cells - _LABEL - 2))


def _tier_words(tier: LiveTier, moment: Moment) -> tuple[Line, ...]:
    return (
        line(f" {figures.of_limit(tier.size_bytes, tier.limit_bytes)}".ljust(_SIZES)),
        line(f"hit {figures.percent(tier_rate(tier, moment)):>3}"),
        line(f"{figures.count(tier.parts)} blocks"),
        line(f"{figures.count(tier.reused_tokens)} tokens reused", Role.DIM),
        line(f"{figures.count(tier.evictions)} evicted", Role.DIM),
        line(f"in {_PLACES.get(tier.tier, clean(tier.tier))}", Role.DIM),
    )


def _saved(moment: Moment, cells: int) -> Line:
    cache = moment.snapshot.cache
    reused = sum(tier.reused_tokens for tier in cache.tiers)
    parts = (
        line(f"{figures.count(reused)} of {figures.count(cache.requested_tokens)} tokens", Role.GOOD),
        line(figures.seconds(cache.saved_s), Role.GOOD) if cache.saved_s else (),
        line(f"{figures.count(cache.recomputed_tokens)} recomputed", Role.NEW),
    )
    room = cells - _LABEL - 2
    spark = _spark("reused_tokens", moment, min(_SPARK * 2, room - width(joined(parts)) - GAP_CELLS), Role.GOOD)
    return (_label("saved"), *fitting((*parts, spark), room))


def _rates(moment: Moment, cells: int) -> tuple[Line, ...]:
    """Return reading and writing, each with its sparkline and its sum."""
    found, room = moment.snapshot.cache.tiers, min(_SPARK * 2, cells - _LABEL - 34)
    read_all = format_bytes(sum(tier.read_bytes for tier in found))
    written_all = format_bytes(sum(tier.written_bytes for tier in found))
    return (
        (_label("read"), *_reading(moment, room), *_total(read_all, cells)),
        (_label("write"), *_writing(moment, room), *_total(written_all, cells)),
    )


def _both_rates(moment: Moment, cells: int) -> Line:
    room = (cells - _LABEL - 34) // 2
    return (_label("read"), *_reading(moment, room), Span("  write", Role.DIM), *_writing(moment, room))


def _reading(moment: Moment, room: int) -> Line:
    rate = _rate(sum(tier.read_bytes_per_s for tier in moment.snapshot.cache.tiers))
    return (rate, *_spark("read_bytes_per_s", moment, room, Role.COLD))


def _writing(moment: Moment, room: int) -> Line:
    rate = _rate(sum(tier.written_bytes_per_s for tier in moment.snapshot.cache.tiers))
    return (rate, *_spark("written_bytes_per_s", moment, room, Role.NEW))


def _rate(per_s: float) -> Span:
    return Span(figures.byte_rate(per_s).rjust(11) + " ", Role.PLAIN if per_s else Role.DIM)


def _total(text: str, cells: int) -> Line:
    return line(f" {text} in all", Role.DIM) if cells >= _LABEL + 12 + _SPARK + 20 else ()


def _spark(series: str, moment: Moment, room: int, role: Role) -> Line:
    """Return what was, or nothing where there is no room or nothing was seen, as in a picture printed once."""
    values = moment.history.series(series)
    return gauges.spark(values, room, role, SPAN_S) if values and room >= _MIN_SPARK else ()


def _budget(moment: Moment, cells: int) -> Line:
    cache = moment.snapshot.cache
    spent = figures.share(cache.written_today_bytes, cache.write_budget_bytes or 0)
    gauge = gauges.bar(spent, _GAUGE, gauges.LEVEL_ROLES[gauges.level(spent)]) if cache.write_budget_bytes else ()
    today = line(f"{_written_today(cache)} written")
    return (_label("today"), *fitting((joined((gauge, today), Span(" ")), _queued(cache)), cells - _LABEL - 2))


def _disk(moment: Moment, cells: int) -> Line:
    parts = _free(moment.snapshot.cache)
    return (_label("disk"), *fitting(parts, cells - _LABEL - 2)) if parts else ()


def _disk_and_budget(moment: Moment, cells: int) -> Line:
    cache = moment.snapshot.cache
    today = line(f"{_written_today(cache)} written today")
    return (_label("disk"), *fitting((*_free(cache)[:1], today, _queued(cache)), cells - _LABEL - 2))


def _written_today(cache: LiveCache) -> str:
    budget = f" of {format_bytes(cache.write_budget_bytes)}" if cache.write_budget_bytes else ""
    return f"{format_bytes(cache.written_today_bytes)}{budget}"


def _queued(cache: LiveCache) -> Line:
    parts = sum(tier.queued_parts for tier in cache.tiers)
    size = format_bytes(sum(tier.queued_bytes for tier in cache.tiers))
    return line(f"{figures.count(parts)} queued ({size})", Role.DIM) if parts else ()


def _free(cache: LiveCache) -> tuple[Line, ...]:
    """Return what of the disk is free and stays so; nothing where that is not known."""
    if not cache.free_bytes and not cache.min_free_bytes:
        return ()
    is_low = cache.free_bytes <= cache.min_free_bytes
    return (
        line(f"{format_bytes(cache.free_bytes)} free", Role.BAD if is_low else Role.PLAIN),
        line(f"{format_bytes(cache.min_free_bytes)} stay free", Role.DIM),
        line(f"{figures.count(cache.quarantined)} quarantined", Role.WARN) if cache.quarantined else (),
    )
