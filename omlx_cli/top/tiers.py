"""The panel of the cache: each tier against its limit, what it saved, and what it cost the SSD."""

from __future__ import annotations

from omlx_cli.contract.live import LiveTier
from omlx_cli.contract.units import format_bytes
from omlx_cli.top import figures, gauges
from omlx_cli.top.history import SPAN_S
from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line, Role, Span, clean, fit, fitting, joined, line

_ROLES = {"hot": Role.HOT, "cold": Role.COLD}
_PLACES = {"hot": "RAM", "cold": "SSD"}
_LABEL = 6
_GAUGE = 12
_SIZES = 19
_SPARK = 24


def tiers(moment: Moment, cells: int, rows: int) -> tuple[Line, ...]:
    """Return the panel's lines, the most important first; `rows` of them at most."""
    cache = moment.snapshot.cache
    trouble = () if cache.state == "ok" else (_trouble(moment),)
    rest = (_saved(moment, cells), *_rates(moment, cells), _budget(moment, cells), _disk(moment, cells))
    lines = (*trouble, *(_tier(tier, moment, cells) for tier in cache.tiers), *rest)
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


def _tier(tier: LiveTier, moment: Moment, cells: int) -> Line:
    share = figures.share(tier.size_bytes, tier.limit_bytes or 0)
    gauge = gauges.bar(share, _GAUGE, _ROLES.get(tier.tier, Role.PLAIN)) if tier.limit_bytes else ()
    hit = figures.percent(tier_rate(tier, moment))
    parts = (
        (
            *gauge,
            Span(f" {figures.of_limit(tier.size_bytes, tier.limit_bytes)}".ljust(_SIZES if gauge else _SIZES + _GAUGE)),
        ),
        line(f"hit {hit:>3}"),
        line(f"{figures.count(tier.parts)} blocks"),
        line(f"{figures.count(tier.reused_tokens)} tokens reused", Role.DIM),
        line(f"{figures.count(tier.evictions)} evicted", Role.DIM),
        line(f"in {_PLACES.get(tier.tier, clean(tier.tier))}", Role.DIM),
    )
    name = _label(clean(tier.tier), _ROLES.get(tier.tier, Role.PLAIN))
    return (name, *fitting(parts, cells - _LABEL - 2))


def _saved(moment: Moment, cells: int) -> Line:
    cache = moment.snapshot.cache
    reused = sum(tier.reused_tokens for tier in cache.tiers)
    parts = (
        line(f"{figures.count(reused)} of {figures.count(cache.requested_tokens)} tokens", Role.GOOD),
        line(figures.seconds(cache.saved_s), Role.GOOD),
        line(f"{figures.count(cache.recomputed_tokens)} recomputed", Role.NEW),
        _spark("reused_tokens", moment, cells, Role.GOOD),
    )
    return (_label("saved"), *fitting(parts, cells - _LABEL - 2))


def _rates(moment: Moment, cells: int) -> tuple[Line, ...]:
    """Return reading and writing: a line with sparklines for each, or one line for both where it is narrow."""
    found = moment.snapshot.cache.tiers
    read = _rate(sum(tier.read_bytes_per_s for tier in found))
    written = _rate(sum(tier.written_bytes_per_s for tier in found))
    read_all = format_bytes(sum(tier.read_bytes for tier in found))
    written_all = format_bytes(sum(tier.written_bytes for tier in found))
    return (
        (_label("read"), read, *_spark("read_bytes_per_s", moment, cells, Role.COLD), *_total(read_all, cells)),
        (
            _label("write"),
            written,
            *_spark("written_bytes_per_s", moment, cells, Role.NEW),
            *_total(written_all, cells),
        ),
    )


def _rate(per_s: float) -> Span:
    return Span(figures.byte_rate(per_s).rjust(11) + " ", Role.PLAIN if per_s else Role.DIM)


def _total(text: str, cells: int) -> Line:
    return line(f" {text} in all", Role.DIM) if cells >= _LABEL + 12 + _SPARK + 20 else ()


def _spark(series: str, moment: Moment, cells: int, role: Role) -> Line:
    room = min(_SPARK * 2, cells - _LABEL - 34)
    return line(gauges.sparkline(moment.history.series(series), room, span=SPAN_S), role) if room >= 8 else ()


def _budget(moment: Moment, cells: int) -> Line:
    cache = moment.snapshot.cache
    queued = sum(tier.queued_parts for tier in cache.tiers)
    waiting = format_bytes(sum(tier.queued_bytes for tier in cache.tiers))
    written, budget = cache.written_today_bytes, cache.write_budget_bytes
    spent = figures.share(written, budget or 0)
    gauge = gauges.bar(spent, _GAUGE, gauges.LEVEL_ROLES[gauges.level(spent)]) if budget else ()
    today = (
        f"{format_bytes(written)} of {format_bytes(budget)} written" if budget else f"{format_bytes(written)} written"
    )
    parts = (
        joined((gauge, line(today)), Span(" ")),
        line(f"{figures.count(queued)} queued ({waiting})", Role.DIM) if queued else (),
    )
    return (_label("today"), *fitting(parts, cells - _LABEL - 2))


def _disk(moment: Moment, cells: int) -> Line:
    cache = moment.snapshot.cache
    if not cache.free_bytes and not cache.min_free_bytes:
        return ()
    is_low = cache.free_bytes <= cache.min_free_bytes
    parts = (
        line(f"{format_bytes(cache.free_bytes)} free", Role.BAD if is_low else Role.PLAIN),
        line(f"{format_bytes(cache.min_free_bytes)} stay free", Role.DIM),
        line(f"{figures.count(cache.quarantined)} quarantined", Role.WARN) if cache.quarantined else (),
    )
    return (_label("disk"), *fitting(parts, cells - _LABEL - 2))
