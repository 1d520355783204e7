"""The two lines at the top: who answers, and how it fares."""

from __future__ import annotations

from omlx_cli.contract.api import DaemonState, MemoryLevel
from omlx_cli.contract.units import format_bytes, format_duration
from omlx_cli.top import figures, gauges
from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line, Role, Span, clean, fit, fitting, joined, line, width

_DOT = Span(" · ", Role.DIM)
_STATES = {DaemonState.READY: Role.GOOD, DaemonState.STUCK: Role.BAD}
_MEMORY = "memory "
_MIN_GAUGE, _MAX_GAUGE = 8, 30
_SPARK, _SPARK_S = 20, 60


def header(moment: Moment, cells: int, mark: Line = ()) -> tuple[Line, Line]:
    """Return the header's two lines; `mark` stands at the right of the first, such as `paused`."""
    return _with_mark(_daemon(moment), mark, cells), fit((Span(" "), *_load(moment, cells - 2)), cells)


def _with_mark(parts: tuple[Line, ...], mark: Line, cells: int) -> Line:
    room = cells - width(mark) - 3
    return (Span(" "), *fit(fitting(parts, room, _DOT), room), *mark, Span(" "))


def _daemon(moment: Moment) -> tuple[Line, ...]:
    daemon = moment.snapshot.daemon
    state = line(daemon.state.value, _STATES.get(daemon.state, Role.WARN))
    if daemon.tcp_error:
        address = line(clean(f"no address: {daemon.tcp_error}"), Role.WARN)
    else:
        address = line(clean(daemon.address or "unix socket only"))
    return (
        line(f"omlx {clean(daemon.version)}", Role.STRONG),
        state,
        line(f"up {format_duration(float(int(daemon.uptime_s)))}"),
        address,
        line(f"pid {daemon.pid}", Role.DIM),
        line(f"{figures.count(moment.snapshot.requests_total)} requests in all", Role.DIM),
    )


def _load(moment: Moment, cells: int) -> Line:
    """Return memory, requests and pace, and what else there is room for; the gauge takes what the words leave."""
    level_words, sizes = _memory(moment)
    work, pace = _work(moment), _pace(moment)
    needed = width(joined((level_words, work, *pace))) + len(_MEMORY) + _MIN_GAUGE + 1
    memory = (*level_words, *sizes) if needed + width(sizes) <= cells else level_words
    needed += width(memory) - width(level_words)
    share = pressure(moment)
    room = max(_MIN_GAUGE, min(_MAX_GAUGE, _MIN_GAUGE + cells - needed - _SPARK - 2))
    gauge = gauges.bar(share, room, gauges.LEVEL_ROLES[level(moment)])
    whole = (Span(_MEMORY, Role.DIM, "app.memory"), *gauge, Span(" "), *memory)
    decode, prefill = pace
    return fitting((whole, work, _with_spark(decode, (whole, work, *pace), moment, cells), prefill), cells)


def _with_spark(decode: Line, parts: tuple[Line, ...], moment: Moment, cells: int) -> Line:
    """Return the pace of decoding with its last minute, where anything was and all `parts` leave room for it."""
    history = moment.history.series("decode_tokens_per_s")
    if not any(history[-_SPARK_S:]) or width(joined(parts)) + 1 + _SPARK > cells:
        return decode
    return (*decode, Span(" "), *gauges.spark(history, _SPARK, Role.GOOD, _SPARK_S))


def pressure(moment: Moment) -> float | None:
    """Return the share of the memory limit that is used."""
    memory = moment.snapshot.memory
    return figures.share(memory.used_bytes, memory.limit_bytes)


def level(moment: Moment) -> MemoryLevel:
    """Return the worse of what the daemon says of the machine, and what the models' share says."""
    return gauges.worse(moment.snapshot.memory.status.level, gauges.level(pressure(moment)))


def _memory(moment: Moment) -> tuple[Line, Line]:
    """Return the level in words, and the sizes behind it."""
    memory, now = moment.snapshot.memory, level(moment)
    words = Span(f"{figures.percent(pressure(moment))} "), Span(now.value, gauges.LEVEL_ROLES[now])
    return words, line(f" {format_bytes(memory.used_bytes)} of {format_bytes(memory.limit_bytes)}")


def _work(moment: Moment) -> Line:
    snapshot = moment.snapshot
    queued = Span(f"{snapshot.queued} queued", Role.WARN if snapshot.queued else Role.DIM)
    return (Span(f"{snapshot.running} running", Role.PLAIN if snapshot.running else Role.DIM), Span(", "), queued)


def _pace(moment: Moment) -> tuple[Line, Line]:
    snapshot = moment.snapshot
    decode = Span(figures.rate(snapshot.decode_tokens_per_s), Role.STRONG)
    prefill = Span(figures.rate(snapshot.prefill_tokens_per_s), Role.STRONG)
    return (decode, Span(" tok/s out")), (prefill, Span(" tok/s in"))
