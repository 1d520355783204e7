"""The panel of models: a row for each that is in memory, on its way there, or crashed."""

from __future__ import annotations

from rich.cells import cell_len

from omlx_cli.contract.api import SlotInfo, SlotState
from omlx_cli.contract.cache import ModelCacheFigures
from omlx_cli.contract.units import format_bytes
from omlx_cli.top import figures, gauges
from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line, Role, Span, clean, line
from omlx_cli.top.table import Column, Sortable, Table

_LOOKS = {
    SlotState.LOADING: ("◔", Role.KEY),
    SlotState.BUSY: ("●", Role.GOOD),
    SlotState.IDLE: ("○", Role.PLAIN),
    SlotState.STUCK: ("!", Role.BAD),
    SlotState.UNLOADING: ("◌", Role.DIM),
    SlotState.CRASHED: ("×", Role.BAD),
}
_STATE_CELLS = {SlotState.LOADING: len("◔ loading 100%"), SlotState.CRASHED: len("× crashed 99×")}
_MIN_BAR = 4


def hit_rate(row: SlotInfo, moment: Moment) -> float | None:
    """Return the share of a model's prompt tokens that was reused since the daemon's start; None before the first."""
    found = cached(row, moment)
    if found is None:
        return None
    return figures.share(found.reused_hot_tokens + found.reused_cold_tokens, found.requested_tokens)


def cached(row: SlotInfo, moment: Moment) -> ModelCacheFigures | None:
    """Return what the cache did for a model; None where nothing is known."""
    return next((found for found in moment.snapshot.cache.models if found.model == row.name), None)


def ttl(row: SlotInfo, moment: Moment) -> str:
    """Return when an idle model goes: a countdown, the time it would have once idle, or `never`."""
    if row.pinned or (row.ttl_s is None and row.state is not SlotState.CRASHED):
        return "never"
    left_s = moment.left_s(row.expires_at)
    if left_s is not None:
        return figures.countdown(left_s)
    return figures.countdown(row.ttl_s) if row.ttl_s is not None else figures.NONE


def goes(row: SlotInfo, moment: Moment) -> str:
    """Return in words when a model goes by itself."""
    when = ttl(row, moment)
    if when in ("never", figures.NONE):
        return when
    return f"in {when}" if row.expires_at else f"{when} after its last request"


def trouble(row: SlotInfo, moment: Moment) -> str:
    """Return in one line what is wrong with a model, or empty."""
    if row.waits:
        return clean(f"waits for memory: {row.waits}")
    if not row.error:
        return ""
    left_s = moment.left_s(row.retry_at)
    again = f"; may start again in {figures.countdown(left_s)}" if left_s else ""
    return clean(f"{row.error}{again}")


def _name(row: SlotInfo, _: Moment, __: int) -> Line:
    return line(clean(row.name), Role.STRONG)


def _state(row: SlotInfo, moment: Moment, cells: int) -> Line:
    sign, role = _LOOKS[row.state]
    word = Span(f"{sign} {row.state.value}", role)
    if row.state is SlotState.LOADING and row.waits:
        return (word, Span(" waits", Role.WARN))
    if row.state is SlotState.LOADING:
        share = Span(f" {figures.percent(row.loading)}")
        room = cells - len(word.text) - len(share.text) - 1
        return (word, Span(" "), *gauges.bar(row.loading, room, Role.KEY), share) if room >= _MIN_BAR else (word, share)
    return (word, Span(f" {row.crashes}×", Role.BAD)) if row.crashes and row.state is SlotState.CRASHED else (word,)


def _work(row: SlotInfo, _: Moment, __: int) -> Line:
    if not row.running and not row.queued:
        return line("0", Role.DIM)
    return (Span(str(row.running)), Span(f"+{row.queued}", Role.WARN)) if row.queued else line(str(row.running))


def _pin(row: SlotInfo, _: Moment, __: int) -> Line:
    return line("yes" if row.pinned else "", Role.KEY)


def _size(row: SlotInfo, _: Moment, __: int) -> Line:
    return line(format_bytes(row.size_bytes) if row.size_bytes else figures.NONE)


def _rate(per_s: float) -> Line:
    return line(figures.rate(per_s), Role.PLAIN if per_s else Role.DIM)


def _state_value(row: SlotInfo, _: Moment) -> Sortable:
    return (tuple(_LOOKS).index(row.state), row.name)


def _note(row: SlotInfo, moment: Moment, _: int) -> Line:
    """Return what is wrong with a model, or what its cache did for it."""
    if told := trouble(row, moment):
        return line(told, Role.BAD if row.error else Role.WARN)
    found = cached(row, moment)
    if found is None:
        return ()
    if not found.enabled:
        return line(clean(found.why_off), Role.WARN)
    reused = figures.count(found.reused_hot_tokens + found.reused_cold_tokens)
    saved = f", {figures.seconds(found.saved_s)} saved" if found.saved_s else ""
    return line(f"{reused} of {figures.count(found.requested_tokens)} tokens reused{saved}", Role.DIM)


def _ttl_value(row: SlotInfo, moment: Moment) -> Sortable:
    left_s = moment.left_s(row.expires_at)
    return (left_s if left_s is not None and not row.pinned else float("inf"), row.name)


TABLE: Table[SlotInfo] = Table(
    columns=(
        Column("name", "MODEL", 14, _name, lambda row, _: (0, row.name), 0, grows_to=44,
               wants=lambda row: cell_len(row.name)),
        Column("state", "STATE", 11, _state, _state_value, 1, grows_to=24,
               wants=lambda row: _STATE_CELLS.get(row.state, 0)),
        Column("size", "MEMORY", 8, _size, lambda row, _: (row.size_bytes, row.name), 2, right=True),
        Column("pin", "PIN", 3, _pin, lambda row, _: (row.pinned, row.name), 7),
        Column("ttl", "TTL", 6, lambda row, at, _: line(ttl(row, at)), _ttl_value, 5, right=True),
        Column("work", "REQ", 5, _work, lambda row, _: (row.running + row.queued, row.name), 3, right=True),
        Column(
            "prefill", "PREFILL", 7, lambda row, _, __: _rate(row.prefill_tokens_per_s),
            lambda row, _: (row.prefill_tokens_per_s, row.name), 6, right=True,
        ),
        Column(
            "decode", "DECODE", 7, lambda row, _, __: _rate(row.decode_tokens_per_s),
            lambda row, _: (row.decode_tokens_per_s, row.name), 4, right=True,
        ),
        Column(
            "hit", "HIT", 4, lambda row, at, _: line(figures.percent(hit_rate(row, at))),
            lambda row, at: (hit_rate(row, at) or 0.0, row.name), 8, right=True,
        ),
        Column("note", "NOTE", 44, _note, lambda row, at: (not trouble(row, at), row.name), 12, grows_to=100,
               wants=lambda row: cell_len(row.error)),
    ),
    name=lambda row: row.name,
    words=lambda row: f"{row.name} {row.state.value} {'pinned' if row.pinned else ''}",
    is_lit=lambda row: row.state is not SlotState.UNLOADING,
)  # fmt: skip
