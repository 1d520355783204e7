"""The panel of events: what happened, a line each, by class."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from omlx_cli.contract.live import Happening, HappeningKind
from omlx_cli.top import figures
from omlx_cli.top.spans import Line, Role, Span, clean, fit

_ROLES = {
    HappeningKind.LOADED: Role.GOOD,
    HappeningKind.UNLOADED: Role.DIM,
    HappeningKind.CRASHED: Role.BAD,
    HappeningKind.REFUSED: Role.WARN,
    HappeningKind.STUCK: Role.BAD,
    HappeningKind.EVICTED: Role.HOT,
    HappeningKind.SPILLED: Role.COLD,
    HappeningKind.PRUNED: Role.COLD,
    HappeningKind.QUARANTINED: Role.BAD,
    HappeningKind.FAILED: Role.BAD,
    HappeningKind.CANCELLED: Role.DIM,
    HappeningKind.FINISHED: Role.PLAIN,
    HappeningKind.MEMORY: Role.WARN,
    HappeningKind.CACHE: Role.WARN,
    HappeningKind.SETTINGS: Role.KEY,
    HappeningKind.MISSED: Role.BAD,
}
_KIND_CELLS = max(len(kind.value) for kind in HappeningKind)


class LogClass(StrEnum):
    """What the log can be narrowed to. What was missed is told in each."""

    ALL = "all"
    TROUBLE = "trouble"
    MODELS = "models"
    CACHE = "cache"
    REQUESTS = "requests"

    @property
    def next(self) -> LogClass:
        """The class after this one, round and round."""
        every = list(LogClass)
        return every[(every.index(self) + 1) % len(every)]


_KINDS = {
    LogClass.ALL: frozenset(HappeningKind),
    LogClass.TROUBLE: frozenset(kind for kind, role in _ROLES.items() if role in (Role.BAD, Role.WARN)),
    LogClass.MODELS: frozenset(
        (HappeningKind.LOADED, HappeningKind.UNLOADED, HappeningKind.CRASHED, HappeningKind.STUCK)
    ),
    LogClass.CACHE: frozenset(
        (
            HappeningKind.EVICTED,
            HappeningKind.SPILLED,
            HappeningKind.PRUNED,
            HappeningKind.QUARANTINED,
            HappeningKind.CACHE,
        )
    ),
    LogClass.REQUESTS: frozenset(
        (HappeningKind.REFUSED, HappeningKind.FAILED, HappeningKind.CANCELLED, HappeningKind.FINISHED)
    ),
}


def chosen(happenings: Iterable[Happening], log_class: LogClass, wanted: str = "") -> list[Happening]:
    """Return the happenings of a class that hold every word of `wanted`."""
    kinds = _KINDS[log_class] | {HappeningKind.MISSED}
    needles = wanted.lower().split()
    return [one for one in happenings if one.kind in kinds and _holds(one, needles)]


def entry(happening: Happening, cells: int) -> Line:
    """Return one happening as a line."""
    count = Span(f" ×{happening.count}", Role.STRONG) if happening.count > 1 else Span("")
    return fit(
        (
            Span(f" {figures.time_of_day(happening.at)} ", Role.DIM),
            Span(happening.kind.value.ljust(_KIND_CELLS), _ROLES[happening.kind]),
            count,
            Span(f" {clean(happening.message)}"),
        ),
        cells,
    )


def _holds(happening: Happening, needles: list[str]) -> bool:
    if not needles:
        return True
    words = f"{happening.kind.value} {happening.message} {happening.model} {happening.request}".lower()
    return all(word in words for word in needles)
