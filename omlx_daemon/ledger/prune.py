"""What a prune takes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from omlx_daemon.ledger.eviction import Victim
from omlx_daemon.ledger.index import Node, Record
from omlx_daemon.ledger.space import Space


@dataclass(frozen=True, slots=True)
class Criteria:
    """A file goes where all that is given holds; nothing given is everything."""

    older_than_s: float | None = None
    namespaces: frozenset[str] | None = None
    model: str | None = None
    current: frozenset[str] | None = None
    """The fingerprints of the models that are here; given, only namespaces outside of them go."""
    larger_than_bytes: int | None = None
    pinned: bool = False
    """Pinned blocks go too."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes, and how many files stay because they are pinned."""

    victims: tuple[Victim, ...]
    kept_pinned_files: int


def is_incompatible(space: Space, current: Collection[str]) -> bool:
    """Return whether no model with one of these fingerprints can use a namespace; one in use always can."""
    return not space.current or (space.name not in current and not space.owners)


def plan(spaces: Iterable[Space], criteria: Criteria, now_s: float) -> Plan:
    """Return what `criteria` take, tails before heads."""
    victims: list[Victim] = []
    kept = 0
    for space in spaces:
        if _is_meant(space, criteria):
            for shelf in space.shelves():
                matching = [record for record in shelf.index if _matches(record, criteria, now_s)]
                going = [record for record in matching if criteria.pinned or not shelf.index.is_pinned(record)]
                kept += len(matching) - len(going)
                if criteria.older_than_s is not None:
                    going = _without_heads(going)
                victims += [Victim(space, shelf, record) for record in going]
    return Plan(tuple(victims), kept)


def _is_meant(space: Space, criteria: Criteria) -> bool:
    if criteria.namespaces is not None and space.name not in criteria.namespaces:
        return False
    if criteria.model is not None and space.model != criteria.model:
        return False
    return criteria.current is None or is_incompatible(space, criteria.current)


def _matches(record: Record, criteria: Criteria, now_s: float) -> bool:
    if criteria.larger_than_bytes is not None and record.size_bytes <= criteria.larger_than_bytes:
        return False
    return criteria.older_than_s is None or record.recency_ns / 1e9 <= now_s - criteria.older_than_s


def _without_heads(records: list[Record]) -> list[Record]:
    """Return the records from the tails on, without those that a staying block or checkpoint needs."""
    waiting: dict[Node, list[Record]] = {}
    for record in records:
        if not record.checkpoint:
            waiting.setdefault(record.node, []).append(record)
    going = [record for record in records if record.checkpoint or not _dependants(record.node)]
    left: dict[Node, int] = {}
    for record in going:
        for node in _needed_by(record):
            left[node] = left.get(node, _dependants(node)) - 1
            if not left[node]:
                going += waiting.get(node, ())
    return going


def _dependants(node: Node) -> int:
    return node.children + sum(record.checkpoint for record in node.records)


def _needed_by(record: Record) -> Iterator[Node]:
    if record.parent is not None:
        yield record.parent
    if record.checkpoint:
        yield record.node
