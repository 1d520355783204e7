"""What is shown of one thing alone: a request's course, and the terms of memory."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from omlx_cli.contract.api import RequestInfo
from omlx_cli.contract.units import format_bytes, format_duration
from omlx_cli.top import figures, gauges, header, requests
from omlx_cli.top.history import Course
from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line, Role, Span, clean, fit, joined, line, wrapped

_LABEL = 14


def request(request_id: str, moment: Moment, cells: int) -> tuple[Line, ...]:
    """Return all that is known of a request, also when it has ended."""
    course = moment.history.courses.get(request_id)
    if course is None:
        return (line(f" request {clean(request_id)} is not known here", Role.WARN),)
    row = next((row for row in moment.snapshot.requests if row.id == request_id), course.row)
    lines = (*_facts(row, course, moment), (), *_prompt(row, cells), *_miss(row, cells), (), *_timeline(course))
    return tuple(fit(found, cells) for found in lines)


def _field(name: str, *spans: Span) -> Line:
    return (Span(f" {name}".ljust(_LABEL), Role.DIM), *spans)


def _facts(row: RequestInfo, course: Course, moment: Moment) -> tuple[Line, ...]:
    age_s = row.age_s if course.ended_s is None else course.ended_s - course.born_s
    state = row.phase.value if course.ended_s is None else course.steps[-1].what
    left = f", {figures.countdown(row.left_s)} left" if row.left_s is not None and course.ended_s is None else ""
    return (
        _field("id", Span(clean(row.id), Role.STRONG)),
        _field("model", Span(clean(row.model))),
        _field("client", Span(clean(row.client) or figures.NONE)),
        _field("priority", Span(clean(row.priority))),
        _field("phase", Span(clean(state), Role.KEY)),
        _field("age", Span(f"{figures.seconds(age_s)}{left}")),
        _field("first token", Span(f"after {figures.seconds(row.ttft_s)}" if row.ttft_s is not None else figures.NONE)),
        _field("out", Span(f"{figures.count(row.tokens)} tokens, {figures.rate(row.tokens_per_s)} tok/s now")),
    )


def _prompt(row: RequestInfo, cells: int) -> tuple[Line, ...]:
    total = row.prompt_tokens
    whole = gauges.pieces(requests.prompt_parts(row), total, max(10, min(60, cells - _LABEL - 2)))
    return (
        _field("prompt", Span(f"{total:,} tokens, {figures.percent(requests.progress(row))} done")),
        _field("", *whole),
        *(
            _field(
                "",
                Span(f"{gauges.sign(role)} {name} ".ljust(26), role),
                Span(f"{tokens:>9,}"),
                Span(f"{figures.percent(figures.share(tokens, total)):>6}"),
            )
            for name, (role, tokens) in zip(_ORIGINS, requests.prompt_parts(row), strict=True)
        ),
    )


def _miss(row: RequestInfo, cells: int) -> tuple[Line, ...]:
    """Return why no more was reused, and what to do about it; nothing before the cache was asked."""
    if row.miss is None:
        return (_field("missed", Span("nothing that is known", Role.DIM)),) if row.prefilled_tokens else ()
    miss, room = row.miss, max(20, cells - _LABEL)
    role = Role.WARN if miss.cause.is_miss else Role.PLAIN
    return (
        _field("missed", Span(miss.cause.value, role), Span(f"  after {miss.at_tokens:,} tokens", Role.DIM)),
        *_told("", miss.detail, room),
        *_told("what to do", miss.advice, room),
    )


def _told(name: str, text: str, room: int) -> Iterator[Line]:
    """Yield words from outside in as many lines as they need, the first with a name."""
    for number, part in enumerate(wrapped(line(clean(text)), room, 8) if text else ()):
        yield _field("" if number else name, *part)


_ORIGINS = ("reused from RAM (hot)", "reused from SSD (cold)", "recomputed")


def _timeline(course: Course) -> tuple[Line, ...]:
    lines = [line(" timeline", Role.TITLE)]
    before_s = course.born_s
    for step in sorted(course.steps):
        since = f"+{figures.seconds(step.at_s - course.born_s) if step.at_s > course.born_s else '0'}"
        clock = datetime.fromtimestamp(step.at_s).strftime("%H:%M:%S.%f")[:-4]
        took = f"(+{figures.seconds(step.at_s - before_s)})" if step.at_s > before_s > course.born_s else ""
        lines.append(
            (Span(f" {clock}", Role.DIM), Span(f"{since:>9}  "), Span(clean(step.what)), Span(f"  {took}", Role.DIM))
        )
        before_s = step.at_s
    return tuple(lines)


def memory(moment: Moment, cells: int) -> tuple[Line, ...]:
    """Return the level of memory, its reasons and its terms."""
    live = moment.snapshot.memory
    now = header.level(moment)
    head = (
        Span(f" {now.value} ", gauges.LEVEL_ROLES[now]),
        *gauges.bar(header.pressure(moment), 30, gauges.LEVEL_ROLES[now]),
        Span(f" {figures.percent(header.pressure(moment))}: {format_bytes(live.used_bytes)} of "
             f"{format_bytes(live.limit_bytes)} for models"),
    )  # fmt: skip
    lines: list[Line] = [head, line(" yellow from 80 %, red from 95 %", Role.DIM)]
    lines += [line(f" {clean(reason)}", Role.WARN) for reason in live.status.reasons]
    lines += [line(f" waits: {clean(waiting)}", Role.WARN) for waiting in live.status.waiting]
    lines.append(())
    lines += _terms(moment)
    lines += [(), line(f" {live.status.swaps} models made way for another one since the start", Role.DIM)]
    return tuple(fit(found, cells) for found in lines)


def _terms(moment: Moment) -> list[Line]:
    terms = moment.snapshot.memory.status.terms
    if not terms:
        return [line(" the daemon names no terms", Role.DIM)]
    longest = max(len(clean(term.name)) for term in terms)
    return [
        (
            Span(f" {clean(term.name).ljust(longest)} "),
            Span(f"{figures.signed(term.size_bytes):>9}  ", Role.STRONG),
            Span(clean(term.note), Role.DIM),
        )
        for term in terms
    ]


def model(name: str, moment: Moment, cells: int) -> tuple[Line, ...]:
    """Return all that is known of a model in memory."""
    from omlx_cli.top import models

    row = next((row for row in moment.snapshot.models if row.name == name), None)
    if row is None:
        return (line(f" {clean(name)} is not in memory", Role.WARN),)
    found = models.cached(row, moment)
    lines = [
        _field("model", Span(clean(row.name), Role.STRONG)),
        _field("state", Span(row.state.value), Span(f"  {models.trouble(row, moment)}", Role.BAD)),
        _field("memory", Span(format_bytes(row.size_bytes))),
        _field("pinned", Span("yes" if row.pinned else "no")),
        _field("goes", Span(models.goes(row, moment))),
        _field("process", Span(f"{row.pid or figures.NONE}, crashed {row.crashes} times")),
        _field("requests", Span(f"{row.running} running, {row.queued} queued")),
        _field(
            "in, out", Span(f"{figures.rate(row.prefill_tokens_per_s)}, {figures.rate(row.decode_tokens_per_s)} tok/s")
        ),
    ]
    if found is not None:
        lines += [(), *_reuse(found.requested_tokens, found.reused_hot_tokens, found.reused_cold_tokens,
                              found.recomputed_tokens, cells)]  # fmt: skip
        lines += [_field("saved", Span(format_duration(float(round(found.saved_s)))))]
        ends = sorted(found.misses.items(), key=lambda end: -end[1])
        lines += [
            _field("" if number else "reuse ended", Span(f"{count:>6,} times  {clean(reason)}"))
            for number, (reason, count) in enumerate(ends)
        ]
        lines += [_field("", Span(clean(found.why_off), Role.WARN))] if not found.enabled else []
    return tuple(fit(line_, cells) for line_ in lines)


def _reuse(requested: int, hot: int, cold: int, computed: int, cells: int) -> tuple[Line, ...]:
    parts = ((Role.HOT, hot), (Role.COLD, cold), (Role.NEW, computed))
    room = max(10, min(60, cells - _LABEL - 2))
    legend = joined(
        tuple((Span(f"{gauges.sign(role)} {name} ", role), Span(figures.count(size)))
              for name, (role, size) in zip(("hot", "cold", "recomputed"), parts, strict=True))
    )  # fmt: skip
    return (
        _field("prompts", Span(f"{requested:,} tokens since the start")),
        _field("", *gauges.pieces(parts, requested, room)),
        _field("", *legend),
    )
