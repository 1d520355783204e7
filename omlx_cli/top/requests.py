"""The panel of requests: a row for each that is computed, or waits."""

from __future__ import annotations

from rich.cells import cell_len

from omlx_cli.contract.api import RequestInfo, RequestPhase
from omlx_cli.top import figures, gauges
from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line, Role, Span, clean, line
from omlx_cli.top.table import Column, Sortable, Table

_PRIORITIES = {"interactive": "inter", "normal": "norm", "batch": "batch"}
"""The classes, the most urgent first, and what stands for each where there is no room."""
_PHASES = {
    RequestPhase.LOADING: Role.KEY,
    RequestPhase.QUEUED: Role.WARN,
    RequestPhase.PREFILL: Role.NEW,
    RequestPhase.DECODE: Role.GOOD,
}
_ID_PREFIX = "req_"


def recomputed_tokens(row: RequestInfo) -> int:
    """Return the prompt tokens that were computed for a request so far, though an older one might have left them."""
    return max(0, row.prefilled_tokens - row.cached_hot_tokens - row.cached_cold_tokens)


def prompt_parts(row: RequestInfo) -> tuple[tuple[Role, int], ...]:
    """Return where a prompt's tokens came from, for a bar."""
    return (
        (Role.HOT, row.cached_hot_tokens),
        (Role.COLD, row.cached_cold_tokens),
        (Role.NEW, recomputed_tokens(row)),
    )


def progress(row: RequestInfo) -> float | None:
    """Return the share of the prompt that is done."""
    return figures.share(row.prefilled_tokens, row.prompt_tokens)


def _phase(row: RequestInfo, _: Moment, cells: int) -> Line:
    word = Span(row.phase.value.ljust(7), _PHASES[row.phase])
    if not row.prompt_tokens:
        return (word,)
    share = f" {figures.percent(progress(row))}".rjust(5) if row.phase is RequestPhase.PREFILL else " " * 5
    room = cells - len(word.text) - len(share) - 1
    if room < 4:
        return (word, Span(share))
    return (word, Span(" "), *gauges.pieces(prompt_parts(row), row.prompt_tokens, room), Span(share))


def _count(number: int, role: Role = Role.PLAIN) -> Line:
    return line(figures.count(number), role if number else Role.DIM)


def _priority(row: RequestInfo, _: Moment, cells: int) -> Line:
    role = {"interactive": Role.KEY, "batch": Role.DIM}.get(row.priority, Role.PLAIN)
    whole = clean(row.priority)
    return line(whole if len(whole) <= cells else _PRIORITIES.get(row.priority, whole), role)


def _ordered(value: float, row: RequestInfo) -> Sortable:
    return (value, row.id)


def _phase_value(row: RequestInfo, _: Moment) -> Sortable:
    return (tuple(_PHASES).index(row.phase) + (progress(row) or 0.0) / 2, row.id)


TABLE: Table[RequestInfo] = Table(
    columns=(
        Column(
            "id", "ID", 8, lambda row, _, cells: line(clean(row.id.removeprefix(_ID_PREFIX))[:cells], Role.DIM),
            lambda row, _: (0, row.id), 3, grows_to=12,
        ),
        Column(
            "model", "MODEL", 10, lambda row, _, __: line(clean(row.model), Role.STRONG),
            lambda row, _: (0, row.model), 1, grows_to=28, wants=lambda row: cell_len(row.model),
        ),
        Column(
            "client", "CLIENT", 8, lambda row, _, __: line(clean(row.client) or figures.NONE),
            lambda row, _: (0, row.client), 7, grows_to=20, wants=lambda row: cell_len(row.client),
        ),
        Column("priority", "PRI", 5, _priority, lambda row, _: (list(_PRIORITIES).index(row.priority)
               if row.priority in _PRIORITIES else 1, row.id), 11, grows_to=11,
               wants=lambda row: len(row.priority)),
        Column("phase", "PHASE", 17, _phase, _phase_value, 0, grows_to=40),
        Column("prompt", "PROMPT", 6, lambda row, _, __: _count(row.prompt_tokens),
               lambda row, _: _ordered(row.prompt_tokens, row), 5, right=True),
        Column("hot", "HOT", 6, lambda row, _, __: _count(row.cached_hot_tokens, Role.HOT),
               lambda row, _: _ordered(row.cached_hot_tokens, row), 8, right=True),
        Column("cold", "COLD", 6, lambda row, _, __: _count(row.cached_cold_tokens, Role.COLD),
               lambda row, _: _ordered(row.cached_cold_tokens, row), 9, right=True),
        Column("new", "NEW", 6, lambda row, _, __: _count(recomputed_tokens(row), Role.NEW),
               lambda row, _: _ordered(recomputed_tokens(row), row), 10, right=True),
        Column("out", "OUT", 6, lambda row, _, __: _count(row.tokens),
               lambda row, _: _ordered(row.tokens, row), 4, right=True),
        Column("rate", "TOK/S", 6, lambda row, _, __: line(figures.rate(row.tokens_per_s)),
               lambda row, _: _ordered(row.tokens_per_s, row), 2, right=True),
        Column("ttft", "TTFT", 6, lambda row, _, __: line(figures.seconds(row.ttft_s)),
               lambda row, _: _ordered(float("inf") if row.ttft_s is None else row.ttft_s, row), 12, right=True),
        Column("age", "AGE", 6, lambda row, _, __: line(figures.countdown(row.age_s)),
               lambda row, _: _ordered(row.age_s, row), 6, right=True),
    ),
    name=lambda row: row.id,
    words=lambda row: f"{row.id} {row.model} {row.client} {row.phase.value} {row.priority}",
    is_lit=lambda row: row.phase is not RequestPhase.QUEUED,
)  # fmt: skip
